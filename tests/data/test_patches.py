"""PanCollection's patches as training samples."""

import numpy as np
import pytest

from fose.data import TRAIN, VALIDATION
from fose.data.patches import patches
from fose.errors import InputError, ReadError

h5py = pytest.importorskip("h5py", reason="pip install 'fose[research]'")


def write(path, count=5, bands=8, side=16, **changed):
    """A small file, patch k with k in every corner."""
    random = np.random.default_rng(3)
    images = {
        "gt": random.integers(100, 900, (count, bands, side, side)).astype(float),
        "lms": random.uniform(100, 900, (count, bands, side, side)),
        "ms": random.uniform(100, 900, (count, bands, side // 4, side // 4)),
        "pan": random.integers(100, 900, (count, 1, side, side)).astype(float),
    } | changed
    with h5py.File(path, "w") as file:
        for key, image in images.items():
            if image is not None:
                file[key] = image
    return images


def test_samples_are_the_files_images(tmp_path):
    images = write(tmp_path / "train_wv3.h5")
    write(tmp_path / "valid_wv3.h5", count=2)
    found = list(patches(tmp_path, "wv3", TRAIN, 100))
    assert len(found) == 5
    assert len(list(patches(tmp_path, "wv3", VALIDATION, 100))) == 2
    for index, sample in enumerate(found):
        np.testing.assert_array_equal(sample.pan, images["pan"][index, 0])
        np.testing.assert_array_equal(sample.target, images["gt"][index])
        np.testing.assert_allclose(sample.ms, images["ms"][index], rtol=1e-6)
        assert (sample.ratio, sample.phase) == (4.0, (0.5, 0.5))
        assert len(sample.gains) == len(sample.wavelengths) == 8
        assert None not in sample.wavelengths


def test_fewer_are_spread_over_the_file(tmp_path):
    write(tmp_path / "train_qb.h5", bands=4)
    assert [sample.name for sample in patches(tmp_path, "qb", TRAIN, 3)] == [f"train_qb/{k}" for k in (0, 2, 4)]


def test_missing_files_are_named(tmp_path):
    with pytest.raises(ReadError, match=r"expected PanCollection's train_gf2\.h5 in .*docs/training\.md"):
        next(patches(tmp_path, "gf2", TRAIN, 1))
    write(tmp_path / "valid_gf2.h5", bands=4, gt=None)
    with pytest.raises(InputError, match="ground truth"):
        next(patches(tmp_path, "gf2", VALIDATION, 1))
