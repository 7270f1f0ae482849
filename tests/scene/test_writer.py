"""Writing: what the file holds besides pixels, how missing is marked, which options it takes, COG, refusals."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp

from fose.errors import InputError, OutputError
from fose.scene.grid import Grid
from fose.scene.reader import BandInfo, RasterInfo
from fose.scene.tiles import Window, plan
from fose.scene.writer import Missing, OutputFile, OutputSpec, check_target, choose_missing

SHAPE = 600, 700


@pytest.fixture
def spec(synth, tmp_path):
    grid = Grid(SHAPE, synth.utm(), rasterio.CRS.from_string(synth.UTM))
    bands = [
        BandInfo(f"band {index}", kind, 0.5 * index, index - 3.0, f"unit {index}", {"wavelength": str(400 + index)})
        for index, kind in enumerate([ColorInterp.red, ColorInterp.gray, ColorInterp.undefined, ColorInterp.blue], 1)
    ]
    domains = {"OWN": {"satId": "WV02"}, "xml:XMP": {"xml:XMP": "<x/>"}}
    return OutputSpec(
        tmp_path / "out.tif", "GTiff", {}, np.dtype("uint16"), grid, bands, {"A": "b"}, domains, Missing(None)
    )


def pixels(spec):
    rows, cols = np.arange(SHAPE[0])[:, None], np.arange(SHAPE[1])
    return np.stack([(rows * 7 + cols * 3 + 100 * k) % 60000 + 1 for k in range(len(spec.bands))]).astype(spec.dtype)


def write(spec, image=None, valid=None):
    image = pixels(spec) if image is None else image
    with OutputFile(spec) as output:
        for window in plan(SHAPE, (512, 512)):
            part = (window.rows, window.cols)
            output.write(window, image[(slice(None), *part)], None if valid is None else valid[part])
    return spec.path


@pytest.mark.parametrize("driver", ["GTiff", "COG"])
def test_pixels_grid_and_metadata_are_kept(synth, spec, driver):
    path = write(replace(spec, driver=driver))
    assert np.array_equal(synth.load(path), pixels(spec))
    with rasterio.open(path) as dataset:
        assert dataset.crs == synth.UTM
        assert dataset.transform == synth.utm()
        assert dataset.descriptions == ("band 1", "band 2", "band 3", "band 4")
        assert [k.name for k in dataset.colorinterp] == ["red", "gray", "undefined", "blue"]
        assert dataset.scales == (0.5, 1, 1.5, 2)
        assert dataset.offsets == (-2, -1, 0, 1)
        assert dataset.units == ("unit 1", "unit 2", "unit 3", "unit 4")
        assert [dataset.tags(index)["wavelength"] for index in (1, 2, 3, 4)] == ["401", "402", "403", "404"]
        assert dataset.tags()["A"] == "b"
        if driver == "GTiff":  # GDAL copies no other domain into a COG
            assert dataset.tags(ns="OWN") == {"satId": "WV02"}
    assert synth.left_over(spec.path.parent) == ["out.tif"]


def test_the_default_file_is_tiled_and_compressed(spec):
    with rasterio.open(write(spec)) as dataset:
        assert dataset.block_shapes[0] == (512, 512)
        assert dataset.compression.name == "zstd"
        assert dataset.tags(ns="IMAGE_STRUCTURE")["PREDICTOR"] == "2"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"compress": "deflate", "zlevel": "9"}, {"compress": "deflate"}),
        ({"COMPRESS": "NONE"}, {}),
        ({"TILED": "NO"}, {"compress": "zstd"}),
        ({"BLOCKXSIZE": "256", "blockysize": "128"}, {"blockxsize": 256, "blockysize": 128}),
        ({"INTERLEAVE": "BAND"}, {"interleave": "band"}),
    ],
)
def test_creation_options_are_gdals_and_override_the_defaults(synth, spec, options, expected):
    path = write(replace(spec, options=options))
    assert np.array_equal(synth.load(path), pixels(spec))
    with rasterio.open(path) as dataset:
        assert dataset.profile | expected == dataset.profile
        assert options.get("TILED") != "NO" or dataset.block_shapes[0][1] == SHAPE[1]


@pytest.mark.parametrize("profile", ["BASELINE", "GeoTIFF"])
def test_no_hidden_sidecar_is_left_where_the_file_cannot_hold_everything(synth, spec, profile):
    write(replace(spec, options={"PROFILE": profile}))
    assert not [name for name in synth.left_over(spec.path.parent) if name.startswith(".")]


@pytest.mark.parametrize("driver", ["GTiff", "COG"])
def test_what_gdal_keeps_beside_the_file_has_the_targets_name(synth, spec, driver):
    """The vendor's IMD domain goes into an .IMD file, as GDAL writes it; one that is there already stays."""
    spec = replace(spec, driver=driver, domains={"IMD": {"satId": '"WV02"'}})
    write(spec)
    assert synth.left_over(spec.path.parent) == ["out.IMD", "out.tif"]
    with rasterio.open(spec.path) as dataset:
        assert dataset.tags(ns="IMD")["satId"].strip('"') == "WV02"
    spec.path.unlink()
    spec.path.with_suffix(".IMD").write_text("the product's own")
    write(spec)
    assert spec.path.with_suffix(".IMD").read_text() == "the product's own"


@pytest.mark.parametrize(
    ("driver", "options"),
    [
        ("GTiff", {"BLOCKXSIZE": "17"}),
        ("GTiff", {"COMPRESS": "JPEG"}),
        ("COG", {"COMPRESS": "JPEG"}),
        ("COG", {"BLOCKSIZE": "17"}),
        ("GTiff", {"COMPRES": "LZW"}),
        ("COG", {"BLOCKXSIZE": "256"}),
        ("COG", {"COMPRESS": "ZIP"}),
    ],
)
def test_impossible_creation_options_are_an_output_error_and_leave_nothing(synth, spec, driver, options):
    with pytest.raises(OutputError, match=r"cannot (create|write) .*out\.tif: ") as raised:
        write(replace(spec, driver=driver, options=options))
    assert "\n" not in str(raised.value)
    assert synth.left_over(spec.path.parent) == []


@pytest.mark.parametrize("options", [{"COMPRESS": "JPEG"}, {"BLOCKXSIZE": "256"}, {"COMPRESS": "ZIP"}])
def test_what_a_cog_cannot_be_is_known_before_it_is_computed(spec, options):
    with pytest.raises(OutputError, match="cannot create"), OutputFile(replace(spec, driver="COG", options=options)):
        pytest.fail("pixels would be computed in vain")


@pytest.mark.parametrize("driver", ["GTiff", "COG"])
@pytest.mark.parametrize("form", ["nodata", "mask", "alpha"])
def test_missing_pixels_are_marked(synth, spec, driver, form):
    valid = np.ones(SHAPE, bool)
    valid[100:250, 300:420] = valid[0, 0] = False
    image = np.where(valid, pixels(spec), 0).astype(np.uint16)
    path = write(replace(spec, driver=driver, missing=Missing(form, 0 if form == "nodata" else None)), image, valid)
    with rasterio.open(path) as dataset:
        # GDAL takes alpha for a mask only beside one or three bands.
        mask = dataset.read(5) if form == "alpha" else dataset.dataset_mask()
        assert np.array_equal(mask > 0, valid)
        assert np.array_equal(dataset.read([1, 2, 3, 4]), image)
        assert dataset.count == 4 + (form == "alpha")
        assert dataset.nodata == (0 if form == "nodata" else None)
        if form == "alpha":
            assert dataset.colorinterp[-1] == ColorInterp.alpha
            assert dataset.read(5)[300, 10] == 65535
    assert synth.left_over(spec.path.parent) == ["out.tif"]


@pytest.mark.parametrize("form", ["mask", "alpha"])
def test_tiles_without_holes_are_marked_valid(spec, form):
    path = write(replace(spec, missing=Missing(form)), None, None)
    with rasterio.open(path) as dataset:
        assert (dataset.dataset_mask() == 255).all()


def test_a_cog_has_its_layout_and_overviews(spec):
    path = write(replace(spec, driver="COG", options={"OVERVIEW_RESAMPLING": "NEAREST"}))
    with rasterio.open(path) as dataset:
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert dataset.overviews(1) == [2]
        assert dataset.block_shapes[0] == (512, 512)
        assert dataset.compression.name == "zstd"


def test_three_gray_bands_are_not_called_red_green_blue(spec):
    bands = [replace(band, colorinterp=ColorInterp.gray) for band in spec.bands[:3]]
    with rasterio.open(write(replace(spec, bands=bands))) as dataset:
        assert ColorInterp.red not in dataset.colorinterp
    bands = [replace(band, colorinterp=kind) for band, kind in zip(bands, list(ColorInterp)[3:6], strict=True)]
    with rasterio.open(write(replace(spec, bands=bands, overwrite=True))) as dataset:
        assert [kind.name for kind in dataset.colorinterp] == ["red", "green", "blue"]


# Refusals


def test_an_existing_output_is_refused(spec):
    spec.path.write_text("precious")
    with pytest.raises(OutputError, match=r"output .*out\.tif exists; add --overwrite"):
        write(spec)
    assert spec.path.read_text() == "precious"


def test_overwriting_removes_what_described_the_old_file(synth, spec):
    for name in ("out.tif", "out.tif.aux.xml", "out.tif.ovr", "out.tif.msk", "other.tif.ovr"):
        (spec.path.parent / name).write_text("old")
    write(replace(spec, overwrite=True))
    assert synth.left_over(spec.path.parent) == ["other.tif.ovr", "out.tif"]
    assert np.array_equal(synth.load(spec.path), pixels(spec))


@pytest.mark.parametrize("driver", ["GTiff", "COG"])
def test_overwriting_leaves_an_open_reader_its_old_file(spec, driver):
    """The target is replaced, never written into."""
    spec.path.write_bytes(b"old" * 1000)
    with spec.path.open("rb") as reader:
        write(replace(spec, driver=driver, overwrite=True))
        assert reader.read() == b"old" * 1000


@pytest.mark.parametrize(
    ("name", "driver", "message"),
    [
        (".", "GTiff", "found the directory"),
        ("absent/out.tif", "GTiff", "directory .*absent does not exist"),
        ("out.tif", "PNG", "--of: expected one of GTiff, COG; found 'PNG'"),
        ("file/out.tif", "GTiff", "directory .*file does not exist"),
        ("/dev/null", "GTiff", "found /dev/null, which is no regular file"),
    ],
)
def test_impossible_targets_are_refused_early(tmp_path, name, driver, message):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises((OutputError, InputError), match=message):
        check_target(tmp_path / name, driver, overwrite=True)


def test_a_read_only_folder_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(OutputError, match="not writable"):
        check_target(tmp_path / "out.tif", "GTiff", overwrite=False)


# The form of missing


def info(synth, nodata=None, alpha=False, mask=False, dtype="uint16"):
    grid = Grid((9, 9), synth.utm(), None)
    return RasterInfo("x.tif", grid, np.dtype(dtype), (), {}, {}, nodata, alpha, mask)


@pytest.mark.parametrize(
    ("ms", "pan", "dtype", "nodata", "may_miss", "form", "value"),
    [
        ({}, {}, "uint16", None, False, None, None),
        ({}, {}, "uint16", None, True, "mask", None),
        ({}, {}, "uint16", 5, False, "nodata", 5),
        ({"nodata": 7}, {"nodata": 9}, "uint16", 5, False, "nodata", 5),
        ({"nodata": 7}, {"nodata": 9}, "uint16", None, False, "nodata", 7),
        ({}, {"nodata": 9}, "uint16", None, False, "nodata", 9),
        ({}, {"nodata": -9999}, "uint16", None, False, "mask", None),
        ({"nodata": -9999}, {}, "uint16", None, False, "mask", None),
        ({"nodata": float("nan")}, {"nodata": 9}, "uint16", None, False, "mask", None),
        ({"alpha": True}, {"nodata": 9}, "uint16", None, False, "alpha", None),
        ({"alpha": True}, {}, "float32", None, False, "mask", None),
        ({"mask": True}, {}, "uint8", None, False, "mask", None),
        ({}, {"mask": True}, "uint8", None, False, "mask", None),
        ({}, {"alpha": True}, "uint8", None, False, "mask", None),
    ],
)
def test_missing_is_marked_as_asked_then_as_in_the_ms_then_as_in_pan(
    synth, ms, pan, dtype, nodata, may_miss, form, value
):
    chosen = choose_missing(info(synth, **ms), info(synth, **pan), np.dtype(dtype), nodata, may_miss)
    assert (chosen.form, chosen.nodata) == (form, value)


def test_floats_without_nodata_are_nan_where_missing(synth):
    chosen = choose_missing(info(synth), info(synth), np.dtype("float32"), None, True)
    assert chosen.form is None
    assert np.isnan(chosen.nodata)


def test_nodata_that_the_output_cannot_hold_is_refused(synth):
    with pytest.raises(InputError, match=r"expected an integer in 0\.\.255 for uint8.*--nodata.*--dtype"):
        choose_missing(info(synth, 9), info(synth), np.dtype("uint8"), -1, False)


def test_the_part_file_lies_hidden_beside_the_target(synth, spec):
    with OutputFile(spec) as output:
        output.write(Window.of(0, 0, 512, 512), pixels(spec)[:, :512, :512], None)
        names = synth.left_over(spec.path.parent)
        assert len(names) == 1
        assert names[0].startswith(".out.tif.")
        assert not Path(spec.path).exists()
