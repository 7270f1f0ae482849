"""`fose.xr.sharpen` on this process's schedulers: the pixels of `fose.sharpen`, lazily, georeference and names kept."""

import dask
import dask.array as da
import numpy as np
import pytest
import rasterio
import xarray

import fose
from fose import classical
from fose.errors import GridError, InputError
from fose.runtime.network import Network
from fose.scene.sharpen import Options, sharpen_files
from fose.xr import sharpen

xarray.set_options(keep_attrs=True)


def by_files(synth, pair, folder, method="test-detail", **options):
    """What the local pipeline writes."""
    options = {"register": "off", "threads": 1, "overwrite": True} | options
    sharpener = synth.SHARPENERS.get(method) or classical.get(method)
    sharpen_files(pair[0], [pair[1]], folder / "local.tif", sharpener, Options(**options))
    return folder / "local.tif"


def chosen(synth, name):
    return synth.SHARPENERS.get(name, name)


def values(array):
    return array.compute(scheduler="sync").values


# Chunked equals local


@pytest.mark.parametrize("name", ["test-ratio", "test-detail", "gsa", "mtf-glp-fs", "pracs", "bdsd", "mtf-glp-hpm-h"])
def test_pixels_are_those_of_the_local_run(synth, small_tiles, opened, holed_pair, tmp_path, name):
    """Holes in both images, half a pixel of phase, one to two passes of fit, chunks that divide nothing."""
    sharp = sharpen(*opened(*holed_pair), chosen(synth, name), register="off")
    assert max(map(len, sharp.chunks)) > 1
    assert np.array_equal(values(sharp), synth.load(by_files(synth, holed_pair, tmp_path, name)))


def test_a_network_sees_its_context_and_statistics_may_be_samples(synth, small_tiles, opened, holed_pair, monkeypatch):
    """From 16 statistics tiles on a network's fit looks at the middle of each; apply reaches 64 PAN pixels beyond."""
    monkeypatch.setattr("fose.scene.scene.STATISTICS_TILE", 64)

    def engine(spatial, spectral, conditions):
        far = np.roll(spatial[1], 50, axis=0) - np.roll(spatial[0], -30, axis=1)
        return (0.1 * spectral[:, 2] * conditions[:, :1, None] + 0.05 * far).astype(np.float32)

    network = Network("net", engine, 60)
    sharp = values(sharpen(*opened(*holed_pair), network, register="off"))
    with rasterio.open(holed_pair[0]) as pan, rasterio.open(holed_pair[1]) as ms:
        arrays = pan.read(1), ms.read()
    # The same phase: the MS begins one row below PAN's corner and half a column left of it.
    options = {"ratio": 4.0, "phase": (1.0, -0.5), "nodata": 0}
    expected = fose.sharpen_array(*arrays, method=network, **options)
    known = sharp != 0
    assert np.array_equal(known, np.isfinite(expected))
    assert np.array_equal(sharp[known], np.clip(np.rint(expected[known]), 1, 65535))


def test_the_shipped_network_gives_the_local_runs_pixels(opened, wide_pair):
    """In whatever precision this CPU has: chunks are whole blocks of the network."""
    options = {"method": "fose", "device": "cpu", "register": "off"}
    sharp = sharpen(*opened(*wide_pair, (80, 1024), (11, 100)), **options)
    assert sharp.chunks[2] == (1024, 76)
    with rasterio.open(wide_pair[0]) as pan, rasterio.open(wide_pair[1]) as ms:
        assert np.array_equal(values(sharp), fose.sharpen_array(pan.read(1), ms.read(), **options))


@pytest.mark.parametrize("reference", ["pan", "ms"])
def test_a_misregistered_pair_is_registered(synth, small_tiles, opened, tmp_path, reference):
    pan, ms = synth.arrays((130, 140), 4.0, (0.0, 0.0))
    pair = synth.save_pair(tmp_path, pan, ms, 4.0, (1.3, -0.8))  # 1.3 rows, -0.8 columns from where it says
    sharp = sharpen(*opened(*pair, (200, 150), (50, 60)), synth.SHARPENERS["test-detail"], reference=reference)
    local = by_files(synth, pair, tmp_path, register="auto", reference=reference)
    with rasterio.open(local) as dataset:
        assert dataset.tags()["FOSE_REGISTRATION"].endswith(" moved")
    assert np.array_equal(values(sharp), synth.load(local), equal_nan=True)


@pytest.mark.parametrize("extent", ["intersection", "pan", "union"])
@pytest.mark.parametrize("ratio", [2.5, 15.0])
def test_any_extent_and_ratio(synth, small_tiles, opened, tmp_path, extent, ratio):
    """The MS begins beyond PAN's corner and ends inside it, so whole chunks may have no MS."""
    pan, ms = synth.arrays((24, 20), ratio, (-3.0, 150.0), pan_shape=(100, 400))
    pair = synth.save_pair(tmp_path, pan, ms, ratio, (-3.0, 150.0))
    sharp = sharpen(*opened(*pair), synth.SHARPENERS["test-detail"], register="off", extent=extent)
    local = by_files(synth, pair, tmp_path, extent=extent)
    assert np.array_equal(values(sharp), synth.load(local), equal_nan=True)
    with rasterio.open(local) as dataset:
        assert sharp.rio.transform() == dataset.transform
        assert sharp.rio.transform(recalc=True).almost_equals(dataset.transform, 1e-6)


def test_chunks_and_threads_change_no_bit(synth, small_tiles, opened, holed_pair):
    method = synth.SHARPENERS["test-ratio"]
    first = values(sharpen(*opened(*holed_pair), method))
    for pan_chunk, ms_chunk in (((1000, 1000), (7, 9)), ((64, 128), (65, 85)), ((13, 300), (20, 20))):
        sharp = sharpen(*opened(*holed_pair, pan_chunk, ms_chunk), method)
        assert np.array_equal(sharp.compute(scheduler="threads", num_workers=3).values, first)


def test_a_method_of_your_own_whose_passes_depend_on_pixels_says_so(synth, opened, holed_pair):
    class Greedy(type(synth.SHARPENERS["test-ratio"])):
        name = "greedy"

        def fit(self, scene):
            pixels = sum(scene.map(lambda tile: tile.samples(tile.pan).size))
            return super().fit(scene) if pixels > 10_000 else np.float32(1)

    with pytest.raises(InputError, match="method greedy: expected a fit of at most 1 passes over the scene"):
        values(sharpen(*opened(*holed_pair), Greedy(), register="off"))


# Lazy


def counting(array):
    """The array with a list that each computed block is noted in."""
    seen = []

    def note(block, block_info=None):
        seen.append(block_info[0]["chunk-location"])
        return block

    return array.copy(data=array.data.map_blocks(note, meta=array.data._meta)), seen


def test_nothing_is_computed_before_it_is_asked_for(small_tiles, opened, holed_pair):
    (pan, pan_seen), (ms, ms_seen) = (counting(array) for array in opened(*holed_pair))
    sharp = sharpen(pan, ms, "gsa")
    assert isinstance(sharp.data, da.Array)
    assert not pan_seen
    assert not ms_seen
    values(sharp)
    blocks = pan.data.npartitions
    assert blocks < len(pan_seen) <= 3 * blocks  # registration, one pass of fit, the result


def test_a_part_of_a_method_without_statistics_reads_a_part(synth, small_tiles, opened, holed_pair):
    pan, seen = counting(opened(*holed_pair)[0])
    sharp = sharpen(pan, opened(*holed_pair)[1], synth.SHARPENERS["test-exp"], register="off")
    values(sharp.isel(x=slice(0, 20), y=slice(0, 20)))
    assert 0 < len(set(seen)) < pan.data.npartitions / 2


def test_the_same_call_gives_the_same_keys(opened, holed_pair):
    one, two = (sharpen(*opened(*holed_pair), "gsa") for _ in range(2))
    assert one.data.name == two.data.name


def test_arrays_in_memory_come_back_in_memory(synth, opened, holed_pair):
    method = synth.SHARPENERS["test-ratio"]
    sharp = sharpen(*(array.load() for array in opened(*holed_pair)), method)
    assert isinstance(sharp.data, np.ndarray)
    assert np.array_equal(sharp, values(sharpen(*opened(*holed_pair), method)))


# What the result carries


def describe(dataset):
    dataset.descriptions = ("blue", "green", "red")


def test_coordinates_names_nodata_and_crs_are_kept(synth, opened, tmp_path):
    pan, ms = synth.arrays((30, 37))
    ms_file = np.rint(ms).astype(np.uint16)
    pair = (
        synth.save(tmp_path / "pan.tif", np.rint(pan).astype(np.uint16), synth.utm(), nodata=0),
        synth.save(tmp_path / "ms.tif", ms_file, synth.utm(4), nodata=65535, prepare=describe),
    )
    pan, ms = opened(*pair)
    ms = ms.assign_coords(time=np.datetime64("2020-01-01"), band=["b", "g", "r"]).assign_attrs(mission="x")
    sharp = sharpen(pan, ms, "brovey", register="off")
    assert sharp.dims == ("band", "y", "x")
    assert sharp.dtype == np.uint16
    assert np.array_equal(sharp.y, pan.y)
    assert np.array_equal(sharp.x, pan.x)
    assert list(sharp.band.values) == ["b", "g", "r"]
    assert sharp.time == ms.time
    assert (sharp.rio.crs, sharp.rio.transform(), sharp.rio.nodata) == (synth.UTM, synth.utm(), 65535)
    assert sharp.attrs["long_name"] == ("blue", "green", "red")
    assert (sharp.attrs["mission"], sharp.attrs["FOSE_METHOD"]) == ("x", "brovey")
    assert sharp.attrs["FOSE_VERSION"] == fose.__version__


def test_a_masked_ms_comes_out_masked_and_stores_as_the_local_run_does(synth, opened, holed_pair, tmp_path):
    """rioxarray's masked=True: NaN in memory, the type and nodata of the file in the encoding."""
    sharp = sharpen(*opened(*holed_pair, masked=True), "gsa", register="off")
    assert sharp.dtype == np.float32
    local = synth.load(by_files(synth, holed_pair, tmp_path, "gsa"))
    assert np.array_equal(np.isnan(values(sharp)), local == 0)
    sharp.rio.to_raster(tmp_path / "out.tif")
    with rasterio.open(tmp_path / "out.tif") as dataset:
        assert (dataset.dtypes[0], dataset.nodata) == ("uint16", 0)
        assert np.array_equal(dataset.read(), local)


def test_scaled_values_come_out_scaled(synth, opened, tmp_path):
    """mask_and_scale=True: physical values; storing them with the MS's scale is the user's choice."""

    def scaled(dataset):
        dataset.scales, dataset.offsets = [0.01] * 3, [-5.0] * 3

    pan, ms = synth.arrays((30, 37))
    pair = synth.save_pair(tmp_path, np.rint(pan).astype(np.uint16), np.rint(ms).astype(np.uint16), nodata=0)
    plain = opened(*pair)[1]
    with rasterio.open(pair[1], "r+") as dataset:
        scaled(dataset)
    pan, ms = opened(*pair, mask_and_scale=True)
    sharp = sharpen(pan, ms, "exp", register="off")
    expected = values(sharpen(pan, plain.astype(np.float32), "exp", register="off", nodata=0)) * 0.01 - 5
    assert np.allclose(values(sharp), expected, atol=1e-3)
    assert "scale_factor" not in sharp.encoding
    assert np.isnan(sharp.rio.nodata)


@pytest.mark.parametrize(
    ("declared", "dtype", "asked", "found"),
    [
        ({"pan": None, "ms": 7}, "uint16", {}, 7),
        ({"pan": 9, "ms": None}, "uint16", {}, 9),
        ({"pan": None, "ms": 7}, "uint16", {"nodata": 3}, 3),
        ({"pan": None, "ms": None}, "uint16", {}, None),
        ({"pan": None, "ms": None}, "uint16", {"extent": "pan"}, 0),
        ({"pan": None, "ms": None}, "float32", {}, np.nan),
        ({"pan": None, "ms": 7}, "uint16", {"dtype": "float64"}, 7),
        ({"pan": None, "ms": -9999}, "int16", {"dtype": "uint8"}, 0),
    ],
)
def test_nodata_of_the_result(synth, opened, tmp_path, declared, dtype, asked, found):
    pan, ms = (np.rint(image / 10).astype(dtype) for image in synth.arrays((20, 24)))
    paths = [
        synth.save(tmp_path / f"{name}.tif", image, synth.utm(step), nodata=declared[name])
        for name, image, step in (("pan", pan, 1), ("ms", ms, 4))
    ]
    sharp = sharpen(*opened(*paths), "exp", register="off", **asked)
    assert sharp.dtype == np.dtype(asked.get("dtype", dtype))
    nodata = sharp.rio.nodata
    assert nodata == found or (found is not None and np.isnan(found) and np.isnan(nodata))


# Grids


def test_every_second_pixel_of_a_file_is_a_grid_of_its_own(synth, opened, holed_pair):
    """rioxarray keeps the old pixel size in its transform; the coordinates are right."""
    pan, ms = opened(*holed_pair)
    sharp = sharpen(pan[:, ::2, ::2], ms, synth.SHARPENERS["test-exp"], register="off")
    assert sharp.rio.transform(recalc=True).a == pytest.approx(2 * synth.PIXEL)
    cropped = sharpen(pan[:, 100:, 40:], ms, synth.SHARPENERS["test-exp"], register="off")
    assert np.array_equal(cropped.y, pan.y[100:])
    assert cropped.rio.transform(recalc=True).almost_equals(synth.utm(1, (100, 40)), 1e-6)


def test_a_transposed_ms_and_a_flat_pan_do_as_well(synth, opened, holed_pair):
    method = synth.SHARPENERS["test-ratio"]
    pan, ms = opened(*holed_pair)
    expected = values(sharpen(pan, ms, method, register="off"))
    flat = sharpen(pan.squeeze("band", drop=True), ms.transpose("y", "x", "band"), method, register="off")
    assert np.array_equal(values(flat), expected)


def test_arrays_without_coordinates_are_taken_to_have_equal_extents(synth):
    pan, ms = synth.arrays((20, 24))
    sharp = sharpen(xarray.DataArray(pan, dims=("y", "x")), xarray.DataArray(ms, dims=("band", "y", "x")), "exp")
    assert sharp.shape == (3, 80, 96)
    assert np.array_equal(sharp, fose.sharpen_array(pan, ms, method="exp", register="auto"))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda pan, ms: (pan.values, ms), InputError, "pan: expected an xarray.DataArray, found ndarray"),
        (lambda pan, ms: (ms, ms), InputError, r"pan: expected \(y, x\) or \(1, y, x\), found .*'band': 3"),
        (lambda pan, ms: (pan, ms[0]), InputError, r"ms: expected \(band, y, x\), found"),
        (lambda pan, ms: (pan, ms.expand_dims("time")), InputError, r"ms: expected \(band, y, x\), found"),
        (lambda pan, ms: (pan.rename(x="a", y="b"), ms), InputError, "pan: expected dimensions y and x, found"),
        (lambda pan, ms: (pan, ms.astype(complex)), InputError, "ms: expected real numbers, found complex128"),
        (lambda pan, ms: (pan, ms[:, :0]), InputError, "ms: expected pixels, found none"),
        (lambda pan, ms: (pan, ms.rio.write_crs("EPSG:32634")), GridError, "expected PAN and MS in one CRS"),
        (lambda pan, ms: (pan[:, [0, 1, 5]], ms), GridError, "pan: expected evenly spaced coordinates y and x"),
        (lambda pan, ms: (pan, ms.assign_coords(x=ms.x + 1e6)), GridError, "expected PAN and MS to overlap"),
    ],
)
def test_what_cannot_be_sharpened_is_said_before_computing(opened, holed_pair, change, error, message):
    with pytest.raises(error, match=message):
        sharpen(*change(*opened(*holed_pair)), "gsa")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "cat"}, "expected one of the methods"),
        ({"method": "gsa", "weights": [1, 1, 1]}, "expected options none; found weights"),
        ({"register": "often"}, "--register: expected auto or off"),
        ({"reference": "sun"}, "--reference: expected pan or ms"),
        ({"extent": "all"}, "--extent: expected one of"),
        ({"resampling": "sinc"}, "resampling: expected one of"),
        ({"nodata": -1}, "nodata: expected an integer in 0..65535"),
        ({"dtype": "cat"}, "--dtype: expected uint8"),
        ({"sensor": "cat"}, "unknown sensor"),
    ],
)
def test_wrong_options_are_said_before_computing(opened, holed_pair, options, message):
    with pytest.raises(InputError, match=message):
        sharpen(*opened(*holed_pair), **({"method": "gsa"} | options))


# The accessor and the ecosystem's writers


def test_the_accessor_is_the_function(opened, holed_pair):
    pan, ms = opened(*holed_pair)
    assert ms.fose.sharpen(pan, "gsa", register="off").data.name == sharpen(pan, ms, "gsa", register="off").data.name


def test_zarr_keeps_pixels_crs_and_names(opened, holed_pair, tmp_path):
    pytest.importorskip("zarr")
    pan, ms = opened(*holed_pair)
    sharp = sharpen(pan, ms.assign_attrs(long_name=("blue", "green", "red")), "gsa")
    with dask.config.set(scheduler="sync"):
        sharp.to_dataset(name="sharp").to_zarr(tmp_path / "out.zarr")
        expected = sharp.values
    back = xarray.open_zarr(tmp_path / "out.zarr", decode_coords="all", mask_and_scale=False).sharp
    assert np.array_equal(back, expected)
    assert (back.rio.crs, back.rio.nodata) == (sharp.rio.crs, 0)
    assert tuple(back.attrs["long_name"]) == ("blue", "green", "red")
    assert np.array_equal(back.x, sharp.x)


def test_geotiff_and_cog_keep_pixels_grid_nodata_and_names(synth, small_tiles, opened, holed_pair, tmp_path):
    pan, ms = opened(*holed_pair)
    sharp = sharpen(pan, ms.assign_attrs(long_name=("blue", "green", "red")), "gsa", register="off")
    with dask.config.set(scheduler="sync"):
        sharp.rio.to_raster(tmp_path / "plain.tif", tiled=True, lock=True)
        sharp.rio.to_raster(tmp_path / "cog.tif", driver="COG")
    for name in ("plain.tif", "cog.tif"):
        with rasterio.open(tmp_path / name) as dataset:
            assert (dataset.crs, dataset.transform, dataset.nodata) == (synth.UTM, synth.utm(), 0)
            assert dataset.descriptions == ("blue", "green", "red")
            assert dataset.tags()["FOSE_METHOD"] == "gsa"
            assert np.array_equal(dataset.read(), synth.load(by_files(synth, holed_pair, tmp_path, "gsa")))


def test_odc_geo_writes_a_cog_of_it(synth, opened, holed_pair, tmp_path):
    """It pads the image to a multiple of its overviews' factor; the pixels and the corner stay."""
    pytest.importorskip("tifffile")
    cog = pytest.importorskip("odc.geo.cog")
    pan, ms = opened(*holed_pair)
    sharp = sharpen(pan, ms.assign_attrs(long_name=("blue", "green", "red")), "gsa", register="off")
    with dask.config.set(scheduler="sync"):
        cog.save_cog_with_dask(sharp, str(tmp_path / "cog.tif"), blocksize=64).compute()
        expected = sharp.values
    with rasterio.open(tmp_path / "cog.tif") as dataset:
        assert (dataset.crs, dataset.transform, dataset.nodata) == (synth.UTM, synth.utm(), 0)
        assert dataset.descriptions == ("blue", "green", "red")
        image = dataset.read()
    assert np.array_equal(image[:, : expected.shape[1], : expected.shape[2]], expected)
