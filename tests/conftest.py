"""Fixtures that several test folders share."""

import os
from pathlib import Path

import pytest


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
