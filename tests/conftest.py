"""Fixtures that several test folders share."""

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import settings

# Time is no law: shared machines are slow. Few examples, because each of the scene's builds images.
settings.register_profile("fose", deadline=None)
settings.load_profile("fose")


@pytest.fixture(scope="session")
def synth() -> ModuleType:
    """Module of synthetic scenes, `synth.py` beside this file (test folders are no packages to import it from)."""
    spec = importlib.util.spec_from_file_location("fose_test_synth", Path(__file__).with_name("synth.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def refvec() -> Path:
    """Folder of the reference vectors, made in Octave from the public toolboxes; skips where it is not there."""
    root = Path(__file__).parents[1]
    shared = os.environ.get("FOSE_SHARED")
    candidates = [Path(shared)] if shared else [root.parent / "shared", root.parents[1] / "shared"]
    for candidate in candidates:
        if (candidate / "refvec").is_dir():
            return candidate / "refvec"
    pytest.skip(f"no reference vectors in {', '.join(map(str, candidates))}: set FOSE_SHARED to the folder of refvec")
