"""Reading: windows anywhere, every form of missing, stacks, choices of bands, warping, errors that name the file."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio import Affine
from rasterio.crs import CRS
from rasterio.warp import transform

from fose.errors import InputError, ReadError
from fose.scene.reader import Raster
from fose.scene.tiles import Window


def everything(raster):
    return raster.read(Window.of(0, 0, *raster.shape))


@pytest.fixture(scope="session")
def holed(synth, tmp_path_factory):
    """A raster with a nodata hole, its path and pixels."""
    image = np.arange(2 * 70 * 90, dtype=np.uint16).reshape(2, 70, 90) + 1
    image[1, 20:30, 40:45] = 0
    image[0, 0, 0] = 0
    return synth.save(tmp_path_factory.mktemp("reader") / "holed.tif", image, synth.utm(), nodata=0), image


@given(
    row=st.integers(-120, 120), col=st.integers(-120, 120), height=st.integers(1, 90), width=st.integers(1, 90)
)  # fmt: skip
@settings(max_examples=60)
def test_any_window_is_the_image_with_its_last_pixels_repeated(holed, row, col, height, width):
    path, image = holed
    with Raster([path]) as raster:
        pixels, valid = raster.read(Window.of(row, col, height, width))
    rows = np.clip(np.arange(row, row + height), 0, 69)
    cols = np.clip(np.arange(col, col + width), 0, 89)
    expected = image[:, rows][:, :, cols]
    assert pixels.dtype == np.float32
    assert np.array_equal(pixels, expected)
    assert np.array_equal(np.ones(expected.shape, bool) if valid is None else valid, expected != 0)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int32", "float32", "float64"])
def test_types(synth, tmp_path, dtype):
    image = (np.arange(35 * 41).reshape(35, 41) % 251).astype(dtype)
    with Raster([synth.save(tmp_path / "a.tif", image, synth.utm())]) as raster:
        pixels, valid = everything(raster)
    assert raster.info.dtype == dtype
    assert valid is None
    assert np.array_equal(pixels[0], image)


def test_complex_pixels_are_refused(synth, tmp_path):
    path = synth.save(tmp_path / "a.tif", np.ones((8, 8), np.complex64), synth.utm())
    with pytest.raises(InputError, match=r"expected real pixel values in .*a\.tif, found complex64"):
        Raster([path])


def test_a_colour_table_is_refused(synth, tmp_path):
    path = synth.save(tmp_path / "map.tif", np.zeros((9, 9), np.uint8), synth.utm(), photometric="palette")
    with rasterio.open(path, "r+") as dataset:
        dataset.write_colormap(1, {0: (1, 2, 3, 255), 255: (9, 9, 9, 255)})
    with pytest.raises(InputError, match=r"expected measured values in .*map.tif, found indices of a colour table"):
        Raster([path])


def test_a_nodata_that_overrides_a_files_own_is_said(holed):
    with Raster([holed[0]], nodata=5) as raster:
        assert raster.notes == [f"--nodata 5 replaces 0 in {holed[0]}: pixels of 0 count as valid"]
    for nodata in (None, 0):
        with Raster([holed[0]], nodata=nodata) as raster:
            assert raster.notes == []


def test_a_name_that_is_no_utf8_is_a_read_error():
    with pytest.raises(ReadError, match=r"cannot open 'caf\\udce9.tif': expected a name in UTF-8"):
        Raster(["caf\udce9.tif"])


@pytest.mark.parametrize("form", ["nodata", "mask", "alpha", "nan", "nan nodata", "override"])
def test_every_form_of_missing(synth, tmp_path, form):
    image = np.arange(2 * 20 * 30, dtype=np.float32).reshape(2, 20, 30)
    missing = np.zeros((20, 30), bool)
    missing[3:9, 11:20] = True
    path = tmp_path / "a.tif"
    marked = np.where(missing, np.float32(-1), image)
    alpha = np.where(missing, 0, 255).astype(np.float32)
    nan = np.where(missing, np.float32(np.nan), image)
    {
        "nodata": lambda: synth.save(path, marked, synth.utm(), nodata=-1),
        "mask": lambda: synth.save(path, image, synth.utm(), mask=~missing),
        "alpha": lambda: synth.save(path, image, synth.utm(), alpha=alpha),
        "nan": lambda: synth.save(path, nan, synth.utm()),
        "nan nodata": lambda: synth.save(path, nan, synth.utm(), nodata=float("nan")),
        "override": lambda: synth.save(path, marked, synth.utm(), nodata=77),
    }[form]()
    with Raster([path], nodata=-1 if form == "override" else None) as raster:
        pixels, valid = everything(raster)
    assert len(raster) == 2
    assert np.array_equal(valid, np.broadcast_to(~missing, image.shape))
    assert np.array_equal(pixels[valid], image[valid])
    assert np.isfinite(pixels).all()


def test_infinities_are_missing(synth, tmp_path):
    image = np.ones((9, 9), np.float64)
    image[1, 2], image[3, 4], image[5, 6] = np.inf, -np.inf, 1e300
    with Raster([synth.save(tmp_path / "a.tif", image, synth.utm())]) as raster:
        _, valid = everything(raster)
    assert np.argwhere(~valid[0]).tolist() == [[1, 2], [3, 4], [5, 6]]


@pytest.mark.parametrize(("dtype", "nodata"), [("uint16", -9999), ("uint8", 256), ("uint16", 0.5)])
def test_a_nodata_value_that_no_pixel_can_have_marks_nothing(synth, tmp_path, dtype, nodata):
    """As --nodata -9999 on 16-bit images: no pixel is missing, whatever the value would wrap to."""
    image = np.arange(20 * 30).reshape(20, 30).astype(dtype)
    with Raster([synth.save(tmp_path / "a.tif", image, synth.utm())], nodata=nodata) as raster:
        pixels, valid = everything(raster)
    assert valid is None
    assert np.array_equal(pixels[0], image)


def test_missing_is_per_band(holed):
    path, image = holed
    with Raster([path]) as raster:
        _, valid = everything(raster)
    assert np.array_equal(valid, image != 0)


def test_files_are_stacked_in_the_order_given_and_named_after_themselves(synth, tmp_path):
    def name(text):
        return lambda dataset: dataset.set_band_description(1, text)

    first = synth.save(tmp_path / "x_B4.tif", np.full((2, 9, 8), 4, np.uint8), synth.utm(), prepare=name("red"))
    second = synth.save(tmp_path / "x_B2.tif", np.full((9, 8), 2, np.uint16), synth.utm())
    with Raster([first, second]) as raster:
        pixels, _ = everything(raster)
        assert pixels[:, 0, 0].tolist() == [4, 4, 2]
        assert [band.description for band in raster.info.bands] == ["red", "x_B4", "x_B2"]
        assert raster.info.dtype == np.uint16
        assert raster.sources == [(str(first), 1), (str(first), 2), (str(second), 1)]
    with Raster([first, second], bands=[3, 1, 3]) as raster:
        assert everything(raster)[0][:, 0, 0].tolist() == [2, 4, 2]
        assert [band.description for band in raster.info.bands] == ["x_B2", "red", "x_B2"]


def test_alpha_is_no_band(synth, tmp_path):
    image = np.stack([np.full((9, 8), value, np.uint8) for value in (5, 6)])
    path = synth.save(tmp_path / "a.tif", image, synth.utm(), alpha=np.full((9, 8), 255, np.uint8))
    with Raster([path, path]) as raster:
        assert everything(raster)[0][:, 0, 0].tolist() == [5, 6, 5, 6]
    with pytest.raises(InputError, match=r"--bands: expected numbers in 1\.\.2"):
        Raster([path], bands=[3])


@pytest.mark.parametrize("bands", [[0], [4], [-1], []])
def test_impossible_bands_are_refused(synth, tmp_path, bands):
    path = synth.save(tmp_path / "ms.tif", np.ones((3, 9, 8), np.uint8), synth.utm())
    with pytest.raises(InputError, match=r"--bands: expected numbers in 1\.\.3 .*ms\.tif"):
        Raster([path], bands=bands)


GRIDS = {
    "shape": ((9, 9), Affine(2e-5, 0, 12, 0, -2e-5, 47)),
    "corner": ((9, 8), Affine(2e-5, 0, 12 + 1e-6, 0, -2e-5, 47)),
    "pixel": ((9, 8), Affine(2.09e-5, 0, 12, 0, -2e-5, 47)),
    "none": ((9, 8), None),
}


@pytest.mark.parametrize("case", GRIDS)
def test_stacks_of_different_grids_are_refused(synth, tmp_path, case):
    """In degrees too, where a twentieth of a pixel is a millionth of the unit."""
    shape, other = GRIDS[case]
    first = synth.save(
        tmp_path / "a.tif", np.ones((9, 8), np.uint8), Affine(2e-5, 0, 12, 0, -2e-5, 47), crs="EPSG:4326"
    )
    second = synth.save(tmp_path / "b.tif", np.ones(shape, np.uint8), other, crs="EPSG:4326")
    with pytest.raises(InputError, match=r"expected MS files of one grid, found .*a\.tif with .* and .*b\.tif with"):
        Raster([first, second])


def test_stacks_whose_corners_differ_by_rounding_are_one_grid(synth, tmp_path):
    paths = [
        synth.save(tmp_path / f"{index}.tif", np.ones((9, 8), np.uint8), Affine(2, 0, 3e5 + 1e-5 * index, 0, -2, 5e6))
        for index in range(2)
    ]
    with Raster(paths) as raster:
        assert len(raster) == 2


@pytest.mark.parametrize(("nodatas", "merged"), [((0, 9), 0), ((None, 9), 9), ((9, None), 9), ((9, 9), 9)])
def test_files_of_different_nodata_are_all_honoured(synth, tmp_path, nodatas, merged):
    image = np.arange(1, 73, dtype=np.uint8).reshape(9, 8)
    image[0, 0] = 0
    paths = [
        synth.save(tmp_path / f"{index}.tif", image, synth.utm(), nodata=value) for index, value in enumerate(nodatas)
    ]
    with Raster(paths) as raster:
        _, valid = everything(raster)
        assert raster.info.nodata == merged
    for band, value in zip(valid, nodatas, strict=True):
        assert np.array_equal(band, image != value if value is not None else np.ones_like(band))


def warped(synth, tmp_path, image, **profile):
    """A raster in UTM 34 of a place in UTM 33, read in UTM 33."""
    x, y = transform(synth.UTM, "EPSG:32634", [synth.EAST], [synth.NORTH])
    path = synth.save(tmp_path / "ms.tif", image, Affine(10, 0, x[0], 0, -10, y[0]), crs="EPSG:32634", **profile)
    return path, CRS.from_string(synth.UTM)


def test_warping_keeps_every_pixel_where_it_is_on_the_ground(synth, tmp_path):
    """Bands are their own eastings and northings in the target system."""
    x, y = transform(synth.UTM, "EPSG:32634", [synth.EAST], [synth.NORTH])
    cols, rows = np.meshgrid(x[0] + 10 * (np.arange(90) + 0.5), y[0] - 10 * (np.arange(80) + 0.5))
    east, north = transform("EPSG:32634", synth.UTM, cols.ravel(), rows.ravel())
    image = np.stack([np.reshape(east, (80, 90)) - synth.EAST, np.reshape(north, (80, 90)) - synth.NORTH])
    path, crs = warped(synth, tmp_path, image.astype(np.float32))
    with Raster([path], crs=crs) as raster:
        pixels, valid = everything(raster)
        place = raster.info.grid.transform
    assert raster.info.grid.crs == crs
    col, row = np.meshgrid(np.arange(raster.shape[1]) + 0.5, np.arange(raster.shape[0]) + 0.5)
    true_east, true_north = place * (col, row)
    ok = valid.all(axis=0)
    assert 0.5 < ok.mean() < 1  # the corners of the turned square are missing
    deep = ok & np.roll(ok, 3, 0) & np.roll(ok, -3, 0) & np.roll(ok, 3, 1) & np.roll(ok, -3, 1)
    assert np.abs(pixels[0] - (true_east - synth.EAST))[deep].max() < 1.5  # metres, of pixels of 10
    assert np.abs(pixels[1] - (true_north - synth.NORTH))[deep].max() < 1.5


@pytest.mark.parametrize("form", ["nothing", "declared", "override", "mask", "alpha"])
def test_warping_leaves_nothing_beyond_the_image_and_bleeds_no_hole(synth, tmp_path, form):
    image = np.full((2, 80, 90), 1000, np.uint16)
    missing = np.zeros((80, 90), bool)
    missing[30:44, 50:60] = form != "nothing"
    image[:, missing] = 7
    extra = {
        "declared": {"nodata": 7},
        "mask": {"mask": ~missing},
        "alpha": {"alpha": np.where(missing, 0, 65535).astype(np.uint16)},
    }.get(form, {})
    path, crs = warped(synth, tmp_path, image, **extra)
    with Raster([path], nodata=7 if form == "override" else None, crs=crs) as raster:
        pixels, valid = everything(raster)
        assert len(raster) == 2
    assert set(np.unique(pixels[valid])) == {1000}
    assert not valid[:, 0, 0].any()
    area = raster.info.grid.transform.a * -raster.info.grid.transform.e / 100  # of a source pixel
    assert valid[0].sum() * area == pytest.approx((~missing).sum(), rel=0.03)


@pytest.mark.parametrize("name", ["absent.tif", "text.tif", "folder", ""])
def test_what_does_not_open_is_a_read_error_that_names_it(tmp_path, name):
    (tmp_path / "text.tif").write_text("no raster")
    (tmp_path / "folder").mkdir()
    path = str(tmp_path / name) if name else ""
    with pytest.raises(ReadError, match="cannot open") as raised:
        Raster([path])
    assert path in str(raised.value)


@pytest.mark.parametrize("damage", ["truncated", "corrupt"])
def test_an_unreadable_block_is_a_read_error_that_names_file_and_band(synth, tmp_path, damage):
    image = np.random.default_rng(0).integers(0, 60000, (2, 300, 300)).astype(np.uint16)
    path = synth.save(tmp_path / "ms.tif", image, synth.utm(), compress="deflate", interleave="band")
    data = bytearray(path.read_bytes())
    if damage == "truncated":
        del data[len(data) * 3 // 4 :]
    else:
        data[len(data) * 3 // 4 :] = bytes(len(data) - len(data) * 3 // 4)
    path.write_bytes(bytes(data))
    with Raster([path]) as raster, pytest.raises(ReadError, match=r"cannot read .*ms\.tif, band 2: "):
        everything(raster)


def test_threads_read_alike(holed):
    path, image = holed
    windows = [Window.of(row, col, 17, 23) for row in range(-10, 60, 9) for col in range(-10, 80, 11)]
    with Raster([path]) as raster, ThreadPoolExecutor(4) as pool:
        for window, (pixels, _) in zip(windows, pool.map(raster.read, windows), strict=True):
            rows = np.clip(np.arange(window.rows.start, window.rows.stop), 0, 69)
            cols = np.clip(np.arange(window.cols.start, window.cols.stop), 0, 89)
            assert np.array_equal(pixels, image[:, rows][:, :, cols])


def test_everything_besides_pixels_is_described(synth, tmp_path):
    def prepare(dataset):
        dataset.descriptions = ("nir", "red")
        dataset.scales, dataset.offsets = (0.5, 2.0), (1.0, -3.0)
        dataset.units = ("W", "m")
        dataset.update_tags(1, wavelength="832", STATISTICS_MEAN="5")
        dataset.update_tags(SENSOR="x")
        dataset.update_tags(ns="IMD", satId="WV02")
        dataset.update_tags(ns="RPC", LINE_OFF="5")

    path = synth.save(tmp_path / "ms.tif", np.ones((2, 9, 8), np.uint16), synth.utm(), prepare=prepare, nodata=3)
    with Raster([path]) as raster:
        info = raster.info
    assert [band.description for band in info.bands] == ["nir", "red"]
    assert [(band.scale, band.offset, band.unit) for band in info.bands] == [(0.5, 1, "W"), (2, -3, "m")]
    assert info.bands[0].tags == {"wavelength": "832"}
    assert info.tags["SENSOR"] == "x"
    assert info.domains["IMD"] == {"satId": "WV02"}
    assert "RPC" not in info.domains
    assert info.nodata == 3


def test_close_closes_every_threads_handles(holed, monkeypatch):
    opened = []
    real = rasterio.open
    monkeypatch.setattr(rasterio, "open", lambda *a, **k: opened.append(real(*a, **k)) or opened[-1])
    with Raster([holed[0]]) as raster, ThreadPoolExecutor(3) as pool:
        list(pool.map(raster.read, [Window.of(0, 0, 5, 5)] * 9))
    assert opened
    assert all(handle.closed for handle in opened)
