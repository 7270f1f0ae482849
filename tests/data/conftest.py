"""The shared data folder where it is at hand."""

import os
from pathlib import Path

import pytest

from fose.data import Source, sources


@pytest.fixture(scope="session")
def data_root() -> Path:
    root = Path(__file__).parents[2]
    shared = os.environ.get("FOSE_SHARED")
    candidates = [Path(shared)] if shared else [root.parent / "shared", root.parents[1] / "shared"]
    for candidate in candidates:
        if (candidate / "data" / "scenes.json").is_file():
            return candidate / "data"
    pytest.skip(f"no training data in {', '.join(map(str, candidates))}: set FOSE_SHARED to the folder of data")


@pytest.fixture(scope="session")
def found(data_root: Path) -> list[Source]:
    return sources(data_root)
