"""Small pairs in folders of their own."""

import pytest


@pytest.fixture
def pairs(synth, tmp_path):
    """pairs("a", "b") makes a/pan.tif, a/ms.tif, ... in a folder, which it returns."""

    def make(*names, **options):
        folder = tmp_path / "scenes"
        for name in names:
            (folder / name).mkdir(parents=True)
            synth.textured_pair(folder / name, **{"ms_shape": (20, 25)} | options)
        return folder

    return make
