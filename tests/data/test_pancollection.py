"""PanCollection's files: every layout gives the same images, and what is not PanCollection is refused."""

import numpy as np
import pytest
from scipy.io import savemat

from fose.data.pancollection import open_pancollection
from fose.errors import InputError, ReadError
from fose.evaluation.cases import Settings
from fose.evaluation.manifest import find
from fose.evaluation.run import evaluate
from fose.evaluation.table import tabulate
from fose.ops.reference import interpolate23

h5py = pytest.importorskip("h5py", reason="pip install 'fose[research]'")


def arrays(count=3, bands=4, side=16, ratio=4, target=True):
    """A small file's contents, (N, C, H, W), every axis of its own length where the layout allows."""
    random = np.random.default_rng(3)
    ms = random.uniform(100, 900, (count, bands, side, side + 8))
    lms = interpolate23(ms, ratio)
    images = {"ms": ms, "lms": lms, "pan": lms.mean(axis=1, keepdims=True) + random.normal(0, 20, (*lms[:, :1].shape,))}
    if target:
        images["gt"] = lms + random.normal(0, 20, lms.shape)
    return images


def write_hdf5(path, images):
    with h5py.File(path, "w") as file:
        for key, array in images.items():
            file[key] = array
    return path


def write_matlab73(path, images):
    """MATLAB 7.3: HDF5 after a 512-byte block, axes reversed."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for key, array in images.items():
            file[key] = array.T
    return path


def write_matlab5(path, images):
    savemat(path, images)
    return path


WRITERS = {
    "test_wv3_multiExm1.h5": write_hdf5,
    "test_wv3_multiExm1.mat": write_matlab5,
    "test_wv3_OrigScale_multiExm1.mat": write_matlab73,
}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("target", [True, False])
def test_every_layout_gives_the_same_images(tmp_path, name, target):
    images = arrays(target=target)
    path = WRITERS[name](tmp_path / name, images)
    with open_pancollection(path) as file:
        assert (len(file), file.bands, file.has_target) == (3, 4, target)
        sample = file[1]
    np.testing.assert_array_equal(sample.pan, images["pan"][1, 0])
    np.testing.assert_array_equal(sample.ms, images["ms"][1])
    np.testing.assert_array_equal(sample.lms, images["lms"][1])
    if target:
        np.testing.assert_array_equal(sample.gt, images["gt"][1])
    else:
        assert sample.gt is None


@pytest.mark.parametrize("writer", [write_matlab5, write_matlab73])
def test_one_image_as_matlab_shows_it(tmp_path, writer):
    images = arrays(count=1)
    shown = {key: array[0].transpose(1, 2, 0) for key, array in images.items()}
    shown["pan"] = shown["pan"][..., 0]
    with open_pancollection(writer(tmp_path / "one.mat", shown)) as file:
        assert len(file) == 1
        np.testing.assert_array_equal(file[0].ms, images["ms"][0])
        np.testing.assert_array_equal(file[0].pan, images["pan"][0, 0])


def test_what_is_not_pancollection_is_refused(tmp_path):
    images = arrays()
    with (
        pytest.raises(InputError, match=r"expected the keys ms, lms, pan, found lms, ms"),
        open_pancollection(write_hdf5(tmp_path / "a.h5", {key: images[key] for key in ("ms", "lms")})),
    ):
        pass
    with (
        pytest.raises(InputError, match=r"expected pan \(N,1,H,W\).*found"),
        open_pancollection(write_hdf5(tmp_path / "b.h5", images | {"pan": images["pan"][:, :, :-1]})),
    ):
        pass
    text = tmp_path / "c.h5"
    text.write_text("nothing")
    with pytest.raises(ReadError, match=r"cannot open .*c\.h5"), open_pancollection(text):
        pass
    wrong = tmp_path / "d.mat"
    wrong.write_text("nothing at all, not even a MATLAB header" * 10)
    with pytest.raises(ReadError, match=r"as a MATLAB file"), open_pancollection(wrong):
        pass


def test_images_scaled_to_one_are_refused(tmp_path):
    """Q2n rounds to integers and would call them perfect."""
    images = {key: array / 2047 for key, array in arrays().items()}
    with (
        open_pancollection(write_hdf5(tmp_path / "a.h5", images)) as file,
        pytest.raises(InputError, match="multiply the images by their scale"),
    ):
        file[0]


def test_without_h5py_the_message_says_how_to_install_it(tmp_path, monkeypatch):
    path = write_hdf5(tmp_path / "a.h5", arrays())
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(ReadError, match=r"pip install 'fose\[research\]'"), open_pancollection(path):
        pass


class Exp:
    """The interpolated MS, as a method."""

    name, halo, reach, working = "exp", 0, 0, 2.5

    def fit(self, scene):
        return None

    def apply(self, tile, fit):
        return tile.ms_up


def test_tables_of_several_files(tmp_path):
    """Reduced files are compared with gt inside the border cut of 21, full ones with their own lms."""
    reduced = arrays(side=64, bands=8, count=2)
    full = arrays(side=64, count=2, target=False)
    paths = [
        str(write_hdf5(tmp_path / "test_wv3_multiExm1.h5", reduced)),
        str(write_hdf5(tmp_path / "test_qb_OrigScale_multiExm1.h5", full)),
    ]
    found = evaluate(find(paths), {"exp": Exp()}, Settings())
    assert found.failures == []
    first, second = tabulate(found.results)
    assert first.title == "test_wv3_multiExm1: Reduced resolution (Wald)"
    assert second.title == "test_qb_OrigScale_multiExm1: Full resolution (no reference)"
    inside = slice(20, -21)
    errors = (reduced["lms"] - reduced["gt"])[..., inside, inside]
    means = reduced["gt"][..., inside, inside].mean(axis=(2, 3))
    ergas = 25 * np.sqrt(((errors**2).mean(axis=(2, 3)) / means**2).mean(axis=1))
    assert first.rows["exp"]["ERGAS"].mean == pytest.approx(ergas.mean(), rel=1e-9)
    assert first.rows["exp"]["ERGAS"].std == pytest.approx(ergas.std(ddof=1), rel=1e-6)
    assert first.rows["exp"]["ERGAS"].n == 2
    assert "PSNR" in first.rows["exp"]  # the sensor's 11 bits
    assert second.rows["exp"]["D_lambda"].mean == pytest.approx(0, abs=1e-9)
    assert "worldview-3" in found.notes["test_wv3_multiExm1 image 1"][0]


def test_a_foreign_lms_is_noted(tmp_path):
    images = arrays(side=64)
    images["lms"] = images["lms"] + 5
    path = str(write_hdf5(tmp_path / "test_gf2_multiExm1.h5", images))
    found = evaluate(find([path]), {"exp": Exp()}, Settings())
    assert (
        "lms differs from the 23-tap interpolation of ms by up to 5.0 DN" in found.notes["test_gf2_multiExm1 image 1"]
    )
