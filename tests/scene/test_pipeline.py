"""The pipeline on files: the law of the tile, grids, metadata, missing pixels, types, threads."""

import dataclasses
import json

import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasterio import Affine
from rasterio.enums import ColorInterp
from rasterio.warp import transform

from fose import __version__, classical
from fose.errors import GridError, InputError
from fose.scene import sharpen as pipeline
from fose.scene.grid import Grid, join
from fose.scene.sharpen import Options, sharpen_files

MB = 2**20


def run(pair, out, sharpener, **options):
    options = {"register": "off", "threads": 2, "overwrite": True} | options
    pan, *ms = pair
    return sharpen_files(pan, ms, out, sharpener, Options(**options))


@pytest.fixture
def exp(synth):
    return synth.SHARPENERS["test-exp"]


# The law of the tile


@pytest.fixture(scope="module")
def large_pair(synth, tmp_path_factory):
    """PAN of 1100 x 1240 with holes in both: several statistics tiles, several blocks."""
    pan, ms = synth.arrays((275, 310), 4.0, (1.0, -0.5))
    pan[500:530, 900:1100] = pan[3, 4] = 0
    ms[:, 130:140, 120:131] = ms[1, 60:63, 280] = 0
    folder = tmp_path_factory.mktemp("large")
    return synth.save_pair(folder, np.rint(pan), np.rint(ms), 4.0, (1.0, -0.5), nodata=0)


METHODS = ["test-detail", "brovey", "gsa", "mtf-glp-fs", "pracs"]


@pytest.mark.parametrize("name", METHODS)
def test_memory_tiles_and_threads_change_no_bit(synth, large_pair, tmp_path, monkeypatch, name):
    sharpener = synth.SHARPENERS.get(name) or classical.get(name)
    run(large_pair, tmp_path / "whole.tif", sharpener, memory=2**31, threads=1)
    whole = synth.load(tmp_path / "whole.tif")
    assert whole.dtype == np.float32
    assert (whole == 0).any()
    assert (whole != 0).mean() > 0.9
    others = []
    for memory, threads in ((2**31, 4), (100 * MB, 2)):
        run(large_pair, tmp_path / "out.tif", sharpener, memory=memory, threads=threads)
        others.append(synth.load(tmp_path / "out.tif"))
    split = pipeline.Budget.split
    monkeypatch.setattr(pipeline.Budget, "split", lambda *args: dataclasses.replace(split(*args), tile=(512, 1240)))
    run(large_pair, tmp_path / "out.tif", sharpener)
    others.append(synth.load(tmp_path / "out.tif"))
    for other in others:
        assert np.array_equal(other, whole)


@given(
    ratio=st.sampled_from([2.0, 2.5, 3.0, 4.0, 5.0, 6.0]),
    phase=st.tuples(st.floats(-2, 2), st.floats(-2, 2)),
    tile=st.sampled_from([(16, 48), (64, 64), (33, 70)]),
    name=st.sampled_from(["test-exp", "test-ratio", "test-detail"]),
)
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_files_and_arrays_agree_for_any_ratio_phase_and_tile(synth, tmp_path, ratio, phase, tile, name):
    """The file path with small tiles is the array path at once."""
    pan, ms = synth.arrays((24, 30), ratio, phase)
    pair = synth.save_pair(tmp_path, pan, ms, ratio, phase)
    split = pipeline.Budget.split
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            pipeline.Budget, "split", lambda *args: dataclasses.replace(split(*args), tile=tile), raising=True
        )
        run(pair, tmp_path / "out.tif", synth.SHARPENERS[name], extent="pan", resampling="lanczos6")
    grids = [Grid(image.shape[-2:], place) for image, place in ((pan, synth.utm()), (ms, synth.utm(ratio, phase)))]
    with synth.joined(pan, ms, pair=join(*grids, "pan")) as scene:
        expected = synth.sharpen_tiles(scene, synth.SHARPENERS[name])
    assert np.array_equal(synth.load(tmp_path / "out.tif"), expected, equal_nan=True)


# Grids


RATIOS = (2.0, 2.5, 3.0, 4.0, 5.0, 6.0)
KERNELS = {"bilinear": 2e-3, "cubic": 2e-3, "lanczos": 0.022, "lanczos6": 0.011}  # MS pixels


def coordinates(shape, transform_):
    """Easting and northing of pixel centres, from the scene's corner, metres."""
    cols, rows = np.meshgrid(np.arange(shape[1]) + 0.5, np.arange(shape[0]) + 0.5)
    x, y = transform_ * (cols, rows)
    return x, y


@pytest.mark.parametrize(
    ("kernel", "extent"), [*((name, "intersection") for name in KERNELS), ("cubic", "pan"), ("cubic", "union")]
)
@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("corner", [(0.0, 0.0), (-0.5, -0.5), (1.0, -1.0), (13.3, 7.8)])
def test_a_coordinate_image_survives_the_trip(synth, exp, tmp_path, ratio, kernel, corner, extent):
    """Bands are eastings, northings and x + 1000 y of their own pixels: the output's must be its own."""
    place = synth.utm(ratio, corner)
    x, y = coordinates((36, 44), place)
    x, y = x - synth.EAST, synth.NORTH - y
    ms = np.stack([x, y, x + 1000 * y]).astype(np.float32)
    pan = np.zeros((int(36 * ratio) - 9, int(44 * ratio) + 5), np.float32)
    pair = synth.save_pair(tmp_path, pan, ms, ratio, corner)
    run(pair, tmp_path / "out.tif", exp, resampling=kernel, extent=extent)
    with rasterio.open(tmp_path / "out.tif") as dataset:
        out, found = dataset.read(), dataset.transform
    east, north = coordinates(out.shape[1:], found)
    east, north = east - synth.EAST, synth.NORTH - north
    edge = 7 * ratio * synth.PIXEL
    left, top = corner[1] * synth.PIXEL, corner[0] * synth.PIXEL
    right, bottom = left + 44 * ratio * synth.PIXEL, top + 36 * ratio * synth.PIXEL
    inside = (east > left + edge) & (east < right - edge) & (north > top + edge) & (north < bottom - edge)
    inside &= np.isfinite(out[0])  # union: where PAN is
    assert inside.sum() > 1000
    error = KERNELS[kernel] * ratio * synth.PIXEL
    assert np.abs(out[0] - east)[inside].max() < error
    assert np.abs(out[1] - north)[inside].max() < error
    assert np.abs(out[2] - (east + 1000 * north))[inside].max() < 1001 * error


def corners(path):
    with rasterio.open(path) as dataset:
        return (dataset.transform.c, dataset.transform.f), dataset.shape


@pytest.mark.parametrize(
    ("extent", "corner", "shape"),
    [("intersection", (6, 8), (74, 92)), ("pan", (0, 0), (80, 100)), ("union", (0, 0), (88, 110))],
)
def test_extents(synth, exp, tmp_path, extent, corner, shape):
    """The MS begins 8 rows, 10 columns into PAN and ends as far beyond; half an MS pixel more still belongs to it."""
    pan, ms = np.full((80, 100), 9, np.uint16), np.full((1, 20, 25), 7, np.uint16)
    pair = synth.save_pair(tmp_path, pan, ms, 4.0, (8.0, 10.0))
    run(pair, tmp_path / "out.tif", exp, extent=extent)
    place, found = corners(tmp_path / "out.tif")
    assert place == (synth.EAST + corner[1] * synth.PIXEL, synth.NORTH - corner[0] * synth.PIXEL)
    assert found == shape
    with rasterio.open(tmp_path / "out.tif") as dataset:
        mask, image = dataset.dataset_mask() > 0, dataset.read(1)
    rows, cols = np.arange(shape[0]) + corner[0], np.arange(shape[1]) + corner[1]
    both = ((rows >= 6) & (rows < 80))[:, None] & ((cols >= 8) & (cols < 100))
    assert np.array_equal(mask, both)
    assert (image[both] == 7).all()


def test_extents_of_less_than_a_pixel_lose_nothing(synth, exp, tmp_path):
    pan = synth.save(tmp_path / "pan.tif", np.full((80, 100), 9, np.uint8), synth.utm())
    ms = synth.save(tmp_path / "ms.tif", np.full((20, 25), 7, np.uint8), synth.utm(3.98, (0.4, 0.3)))
    run((pan, ms), tmp_path / "out.tif", exp)
    assert (synth.load(tmp_path / "out.tif") == 7).all()
    assert corners(tmp_path / "out.tif") == corners(pan)


def test_a_different_crs_is_warped_with_a_notice_and_lies_right(synth, exp, tmp_path):
    """The MS, in the next UTM zone, shows PAN-zone eastings and northings: so must the output."""
    corner = transform(synth.UTM, "EPSG:32634", [synth.EAST], [synth.NORTH])
    place = Affine(2, 0, corner[0][0] - 20, 0, -2, corner[1][0] + 20)
    x, y = coordinates((80, 90), place)
    east, north = (np.reshape(v, (80, 90)) for v in transform("EPSG:32634", synth.UTM, x.ravel(), y.ravel()))
    ms = np.stack([east - synth.EAST, synth.NORTH - north]).astype(np.float32)
    ms_path = synth.save(tmp_path / "ms.tif", ms, place, crs="EPSG:32634")
    pan_path = synth.save(tmp_path / "pan.tif", np.zeros((200, 240), np.uint16), synth.utm())
    report = run((pan_path, ms_path), tmp_path / "out.tif", exp, extent="pan")
    assert any("MS warped from EPSG:32634 to PAN's EPSG:32633" in note for note in report.notes)
    with rasterio.open(tmp_path / "out.tif") as dataset:
        assert dataset.crs == synth.UTM
        assert dataset.transform == synth.utm()
        out = dataset.read()
    rows, cols = synth.centres((200, 240))
    ok = np.isfinite(out).all(axis=0)
    assert ok.mean() > 0.8
    inner = ok & np.roll(ok, 12, 0) & np.roll(ok, -12, 0) & np.roll(ok, 12, 1) & np.roll(ok, -12, 1)
    assert np.abs(out[0] - cols * synth.PIXEL)[inner].max() < 0.4  # metres, of MS pixels of 2
    assert np.abs(out[1] - rows * synth.PIXEL)[inner].max() < 0.4


def test_no_georeference_on_either_side_is_assumed_equal_and_said(synth, exp, tmp_path):
    pan = synth.save(tmp_path / "pan.tif", np.zeros((80, 100), np.uint8))
    ms = synth.save(tmp_path / "ms.tif", np.full((20, 25), 7, np.uint8))
    report = run((pan, ms), tmp_path / "out.tif", exp)
    assert "no georeference on either raster; equal extents assumed" in report.notes
    assert report.ratio == 4
    assert (synth.load(tmp_path / "out.tif") == 7).all()


@pytest.mark.parametrize("side", ["pan", "ms"])
def test_a_crs_on_one_side_only_holds_for_both(synth, exp, tmp_path, side):
    crs = {"pan": None, "ms": None} | {side: synth.UTM}
    pan = synth.save(tmp_path / "pan.tif", np.zeros((80, 100), np.uint8), synth.utm(), crs=crs["pan"])
    ms = synth.save(tmp_path / "ms.tif", np.full((20, 25), 7, np.uint8), synth.utm(4), crs=crs["ms"])
    report = run((pan, ms), tmp_path / "out.tif", exp)
    assert any("only one of PAN and MS names its CRS" in note for note in report.notes)
    with rasterio.open(tmp_path / "out.tif") as dataset:
        assert dataset.crs == synth.UTM


@pytest.mark.parametrize("case", ["rotated", "apart", "finer", "pan lost", "ms lost"])
def test_pairs_that_cannot_be_joined_leave_no_file_and_name_both_grids(synth, exp, tmp_path, case):
    pan_place, ms_place, shape = synth.utm(), synth.utm(4), (20, 25)
    if case == "rotated":
        ms_place = ms_place * Affine.rotation(2)
    elif case == "apart":
        ms_place = synth.utm(4, (1000, 0))
    elif case == "finer":
        ms_place, shape = synth.utm(0.5), (160, 200)
    elif case == "pan lost":
        pan_place = None
    else:
        ms_place = None
    pan = synth.save(tmp_path / "pan.tif", np.zeros((80, 100), np.uint8), pan_place)
    ms = synth.save(tmp_path / "ms.tif", np.zeros(shape, np.uint8), ms_place)
    with pytest.raises(GridError, match=rf"PAN grid 100x80 px.*MS grid {shape[1]}x{shape[0]} px"):
        run((pan, ms), tmp_path / "out.tif", exp)
    assert synth.left_over(tmp_path) == ["ms.tif", "pan.tif"]


def test_an_equally_rotated_pair_works(synth, exp, tmp_path):
    turn = Affine.rotation(20)
    pan_place, ms_place = synth.utm() * turn, synth.utm() * turn * Affine.scale(4)
    x, y = coordinates((30, 36), ms_place)
    ms = np.stack([x - synth.EAST, synth.NORTH - y]).astype(np.float32)
    pan = synth.save(tmp_path / "pan.tif", np.zeros((120, 144), np.float32), pan_place)
    run((pan, synth.save(tmp_path / "ms.tif", ms, ms_place)), tmp_path / "out.tif", exp, resampling="cubic")
    with rasterio.open(tmp_path / "out.tif") as dataset:
        assert dataset.transform == pan_place
        out = dataset.read()
    x, y = coordinates((120, 144), pan_place)
    inner = slice(24, -24), slice(24, -24)
    assert np.abs(out[0] - (x - synth.EAST))[inner].max() < 1e-3
    assert np.abs(out[1] - (synth.NORTH - y))[inner].max() < 1e-3


# Metadata


def prepare(dataset):
    dataset.descriptions = ("red edge", "nir", "green")
    dataset.scales, dataset.offsets = (0.5, 2.0, 1.0), (1.0, -3.0, 0.0)
    dataset.units = ("W", "m", "1")
    dataset.colorinterp = (ColorInterp.undefined, ColorInterp.red, ColorInterp.green)
    for index, wavelength in enumerate(("705", "832", "560"), start=1):
        dataset.update_tags(index, wavelength=wavelength, STATISTICS_MEAN="5")
    dataset.update_tags(ACQUIRED="2020-01-01", AREA_OR_POINT="Area")
    dataset.update_tags(ns="OWN", key="value")
    dataset.update_tags(ns="RPC", LINE_OFF="5", SAMP_OFF="5")


def test_metadata_survives(synth, exp, tmp_path):
    pan = synth.save(tmp_path / "pan.tif", np.zeros((80, 100), np.uint16), synth.utm(), nodata=4)
    ms = synth.save(tmp_path / "ms.tif", np.ones((3, 20, 25), np.uint16), synth.utm(4), prepare=prepare, nodata=77)
    run((pan, ms), tmp_path / "out.tif", exp, bands=(3, 1))
    with rasterio.open(tmp_path / "out.tif") as dataset:
        assert dataset.crs == synth.UTM
        assert dataset.transform == synth.utm()
        assert dataset.descriptions == ("green", "red edge")
        assert dataset.colorinterp == (ColorInterp.green, ColorInterp.undefined)
        assert (dataset.scales, dataset.offsets, dataset.units) == ((1, 0.5), (0, 1), ("1", "W"))
        assert [dataset.tags(index) for index in (1, 2)] == [{"wavelength": "560"}, {"wavelength": "705"}]
        tags = dataset.tags()
        assert tags["ACQUIRED"] == "2020-01-01"
        assert dataset.tags(ns="OWN") == {"key": "value"}
        assert dataset.tags(ns="RPC") == {}
        assert dataset.nodata == 77
    assert tags["FOSE_METHOD"] == "test-exp"
    assert tags["FOSE_VERSION"] == __version__
    assert (tags["FOSE_PAN"], tags["FOSE_MS"]) == ("pan.tif", "ms.tif")
    assert str(tmp_path) not in json.dumps(tags)


# Missing pixels


FORMS = ("nodata", "mask", "alpha", "nan")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["test-exp", "test-detail", "brovey", "gsa", "mtf-glp-fs"])
def test_a_constant_with_holes_stays_constant_and_the_holes_stay(synth, tmp_path, form, name):
    """What Orfeo ToolBox turns into 984..1282."""
    dtype = np.float32 if form == "nan" else np.uint16
    pan, ms = np.full((160, 200), 1000, dtype), np.full((3, 40, 50), 1000, dtype)
    hole = np.zeros((40, 50), bool)
    hole[10:18, 20:27] = hole[30, 3] = True
    ms[:, hole] = {"nodata": 0, "mask": 3, "alpha": 9, "nan": np.nan}[form]
    extra = {
        "nodata": {"nodata": 0},
        "mask": {"mask": ~hole},
        "alpha": {"alpha": np.where(hole, 0, 65535).astype(dtype) if form == "alpha" else None},
        "nan": {},
    }[form]
    pair = (
        synth.save(tmp_path / "pan.tif", pan, synth.utm()),
        synth.save(tmp_path / "ms.tif", ms, synth.utm(4), **extra),
    )
    report = run(pair, tmp_path / "out.tif", synth.SHARPENERS.get(name) or classical.get(name))
    assert report.missing == (None if form == "nan" else form)
    with rasterio.open(tmp_path / "out.tif") as dataset:
        out = dataset.read([1, 2, 3])
        mask = dataset.read(4) if form == "alpha" else dataset.dataset_mask()
    missing = hole.repeat(4, 0).repeat(4, 1)
    found = np.isnan(out[0]) if form == "nan" else mask == 0
    assert np.array_equal(found, missing)
    assert np.abs(out[:, ~missing] - 1000.0).max() <= (1e-2 if form == "nan" else 0)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
@pytest.mark.parametrize("name", ["test-exp", "test-ratio", "brovey", "gsa", "mtf-glp-fs", "sfim"])
def test_a_constant_stays_constant_in_every_type(synth, tmp_path, dtype, name):
    """What orthority turns into zeros."""
    pan, ms = np.full((80, 100), 120, dtype), np.stack([np.full((20, 25), value, dtype) for value in (60, 90, 119)])
    pair = synth.save_pair(tmp_path, pan, ms)
    sharpener = synth.SHARPENERS.get(name) or classical.get(name)
    report = run(pair, tmp_path / "out.tif", sharpener, register="auto")
    out = synth.load(tmp_path / "out.tif")
    assert out.dtype == dtype
    assert report.registration["rows"] is None
    tolerance = 0 if np.dtype(dtype).kind in "iu" else 1e-4
    if name == "test-ratio":
        tolerance += 1
    assert np.abs(out - np.array([60.0, 90, 119])[:, None, None]).max() <= tolerance


def test_missing_is_per_band(synth, exp, tmp_path):
    pan, ms = np.full((80, 100), 9, np.uint8), np.full((2, 20, 25), 7, np.uint8)
    ms[0, 5, 6], ms[1, 10, 11] = 0, 0
    run(synth.save_pair(tmp_path, pan, ms, nodata=0), tmp_path / "out.tif", exp)
    expected = np.full((2, 80, 100), 7)
    expected[0, 20:24, 24:28] = expected[1, 40:44, 44:48] = 0
    assert np.array_equal(synth.load(tmp_path / "out.tif"), expected)


def test_valid_values_are_kept_away_from_nodata(synth, exp, tmp_path):
    """PAN declares 0; the MS has true zeros and no holes."""
    pan, ms = np.full((80, 100), 9, np.uint8), np.zeros((1, 20, 25), np.uint8)
    pan[3, 4] = 0
    paths = (
        synth.save(tmp_path / "pan.tif", pan, synth.utm(), nodata=0),
        synth.save(tmp_path / "ms.tif", ms, synth.utm(4)),
    )
    run(paths, tmp_path / "out.tif", exp)
    out = synth.load(tmp_path / "out.tif")[0]
    assert out[3, 4] == 0
    assert (np.delete(out.ravel(), 3 * 100 + 4) == 1).all()


def test_an_empty_scene_stays_empty(synth, tmp_path):
    pan, ms = np.zeros((80, 100), np.uint16), np.zeros((2, 20, 25), np.uint16)
    pair = synth.save_pair(tmp_path, pan, ms, nodata=0)
    for name in ("brovey", "gsa", "mtf-glp-fs"):
        run(pair, tmp_path / "out.tif", classical.get(name), register="auto")
        assert not synth.load(tmp_path / "out.tif").any()


class Ten:
    """Ten times what the MS has above 100: beyond most types."""

    name, halo, reach, working = "ten", 0, 0, 2.5

    def fit(self, scene):
        return None

    def apply(self, tile, fit):
        return (tile.ms_up - 100) * 10


@pytest.mark.parametrize(("dtype", "low", "high"), [("uint8", 0, 255), ("uint16", 0, 1550), ("int16", -1000, 1550)])
def test_integers_are_clipped_at_their_limits(synth, tmp_path, dtype, low, high):
    ms = np.stack([np.zeros((20, 25)), np.full((20, 25), 255)]).astype(np.uint8)
    run(synth.save_pair(tmp_path, np.full((80, 100), 9, np.uint8), ms), tmp_path / "out.tif", Ten(), dtype=dtype)
    out = synth.load(tmp_path / "out.tif")
    assert out.dtype == dtype
    assert (out[0] == low).all()
    assert (out[1] == high).all()


def test_a_type_that_clips_is_said(synth, exp, tmp_path):
    pair = synth.save_pair(tmp_path, np.full((80, 100), 9, np.uint16), np.full((1, 20, 25), 700, np.uint16))
    said = "MS is uint16, output uint8: values are rounded and clipped to 0..255, not rescaled"
    assert said in run(pair, tmp_path / "uint8.tif", exp, dtype="uint8").notes
    for dtype in ("uint16", "int32", "float32"):
        assert not [note for note in run(pair, tmp_path / f"{dtype}.tif", exp, dtype=dtype).notes if "output" in note]


def test_holes_stay_holes_in_a_type_that_cannot_hold_their_value(synth, exp, tmp_path):
    ms = np.full((1, 20, 25), 7, np.int16)
    ms[0, 2, 3] = -9999
    pair = synth.save_pair(tmp_path, np.full((80, 100), 9, np.int16), ms, nodata=-9999)
    report = run(pair, tmp_path / "out.tif", exp, dtype="uint16")
    with rasterio.open(tmp_path / "out.tif") as out:
        assert (out.nodata, report.missing) == (None, "mask")
        missing = out.read_masks(1) == 0
        assert missing[8:12, 12:16].all()
        assert missing.sum() == 16
        assert (out.read(1)[~missing] == 7).all()


def test_options_for_type_and_nodata(synth, exp, tmp_path):
    pan, ms = np.full((80, 100), 9, np.uint8), np.full((1, 20, 25), 7, np.uint8)
    ms[0, 2, 3] = 5
    pair = synth.save_pair(tmp_path, pan, ms)
    report = run(pair, tmp_path / "out.tif", exp, nodata=5, dtype="float32")
    out = synth.load(tmp_path / "out.tif")[0]
    assert (report.dtype, report.missing) == ("float32", "nodata")
    assert (out[8:12, 12:16] == 5).all()
    assert (out == 5).sum() == 16
    with pytest.raises(InputError, match=r"nodata: expected an integer in 0\.\.255 for uint8; found -1"):
        run(pair, tmp_path / "no.tif", exp, nodata=-1)
    with pytest.raises(InputError, match=r"nodata: .* for uint8"):
        run(pair, tmp_path / "no.tif", exp, nodata=float("nan"))
    for dtype in ("complex64", "float16", "cat", "bool"):
        with pytest.raises(InputError, match=rf"--dtype: expected uint8, .*; found {dtype}"):
            run(pair, tmp_path / "no.tif", exp, dtype=dtype)
    assert not (tmp_path / "no.tif").exists()


def test_cog_keeps_nodata_and_mask(synth, exp, tmp_path):
    pan = np.full((1600, 1600), 9, np.uint8)
    hole = np.zeros((400, 400), bool)
    hole[50:120, 130:300] = True
    ms = np.where(hole, 0, 7).astype(np.uint8)
    for name, extra in (("nodata", {"nodata": 0}), ("mask", {"mask": ~hole})):
        pair = (
            synth.save(tmp_path / "pan.tif", pan, synth.utm()),
            synth.save(tmp_path / "ms.tif", ms, synth.utm(4), **extra),
        )
        report = run(pair, tmp_path / "out.tif", exp, driver="COG")
        assert report.missing == name
        with rasterio.open(tmp_path / "out.tif") as dataset:
            assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
            assert dataset.overviews(1) == [2, 4]
            assert np.array_equal(dataset.dataset_mask() == 0, hole.repeat(4, 0).repeat(4, 1))
        with rasterio.open(tmp_path / "out.tif", OVERVIEW_LEVEL=0) as dataset:
            assert np.array_equal(dataset.dataset_mask() == 0, hole.repeat(2, 0).repeat(2, 1))


# The report


def test_the_report_says_what_was_done(synth, exp, tmp_path):
    pair = synth.textured_pair(tmp_path, ms_shape=(40, 50), phase=(1.0, 0.0))
    report = run(pair, tmp_path / "out.tif", exp)
    assert report.output == str(tmp_path / "out.tif")
    assert report.inputs == {"pan": str(pair[0]), "ms": [str(pair[1])]}
    assert report.shape == (3, 160, 200)
    assert report.phase == pytest.approx((1, 0))
    assert set(report.seconds) == {"register", "fit", "apply_and_write", "total"}
    assert report.megapixels_per_second > 0
    json.dumps(dataclasses.asdict(report))


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/home/ann/secret/pan.tif", "pan.tif"),
        ("what?.tif", "what?.tif"),
        ("https://ann:key@host/a/pan.tif?sig=key/1", "pan.tif"),
        ("/vsicurl/https://host/pan.tif?sig=key", "pan.tif"),
        ("/vsizip/z.zip/pan.tif", "pan.tif"),
    ],
)
def test_provenance_keeps_no_folder_and_no_key(path, name):
    assert pipeline.file_name(path) == name


def test_progress_counts_every_pixel_once(synth, exp, tmp_path):
    pair = synth.textured_pair(tmp_path, ms_shape=(150, 170))
    seen = []
    options = Options(register="off", memory=64 * MB, threads=1)
    sharpen_files(pair[0], [pair[1]], tmp_path / "out.tif", exp, options, lambda *counts: seen.append(counts))
    assert {total for _, total in seen} == {600 * 680}
    assert sum(done for done, _ in seen) == 600 * 680
    assert len(seen) > 1


def test_pan_of_several_bands_is_refused(synth, exp, tmp_path):
    pair = synth.textured_pair(tmp_path)
    with pytest.raises(InputError, match=r"expected one PAN band in .*ms\.tif, found 3; PAN comes first, then MS"):
        run(pair[::-1], tmp_path / "out.tif", exp)
