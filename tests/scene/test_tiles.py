"""The law of the tile: every pixel once, and the same whatever the tile; what a tile's operators and samples are."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fose.ops.resample import KERNELS
from fose.scene.grid import array_pair
from fose.scene.tiles import Window, ms_window, ordered_map, pan_window, plan

RATIOS = (2.0, 2.5, 3.0, 4.0, 5.0, 6.0)
SIZES = st.integers(1, 400)


@given(shape=st.tuples(SIZES, SIZES), tile=st.tuples(SIZES, SIZES))
def test_every_pixel_lies_in_exactly_one_window(shape, tile):
    count = np.zeros(shape, int)
    windows = plan(shape, tile)
    for window in windows:
        assert window.shape <= tile
        part = count[window.rows, window.cols]
        assert part.shape == window.shape
        part += 1
    assert (count == 1).all()
    assert [w.origin for w in windows] == sorted(w.origin for w in windows)


@given(
    row=st.integers(-50, 50), col=st.integers(-50, 50), height=st.integers(1, 60), width=st.integers(1, 60),
    pixels=st.integers(0, 20),
)  # fmt: skip
def test_a_window_lies_within_its_grown_self(row, col, height, width, pixels):
    window = Window.of(row, col, height, width)
    outer = window.grown(pixels)
    index = np.arange(outer.rows.start, outer.rows.stop)[:, None] * 1000 + np.arange(outer.cols.start, outer.cols.stop)
    part = index[window.within(outer)]
    assert part.shape == window.shape
    assert part[0, 0] == row * 1000 + col


@given(
    ratio=st.sampled_from(RATIOS),
    phase=st.tuples(st.floats(-6, 6), st.floats(-6, 6)),
    name=st.sampled_from(sorted(KERNELS)),
    row=st.integers(0, 200),
    size=st.integers(1, 90),
    halo=st.integers(0, 20),
)
def test_windows_are_as_wide_as_halo_and_kernel_need(ratio, phase, name, row, size, halo):
    pair = array_pair((400, 400), (200, 200), ratio, phase)
    core = Window.of(row, row // 2, size, size + 1)
    outer = pan_window(core, halo, pair)
    for inner, grown in ((core.rows, outer.rows), (core.cols, outer.cols)):
        assert inner.start - grown.start >= halo * ratio - 1e-9
        assert grown.stop - inner.stop >= halo * ratio - 1e-9
    coarse = ms_window(outer, pair, KERNELS[name])
    axes = (pair.rows, outer.rows, coarse.rows), (pair.cols, outer.cols, coarse.cols)
    for axis, fine, needed in axes:
        radius = KERNELS[name].radius
        assert needed.start <= axis.position(fine.start) - radius
        assert needed.stop - 1 >= axis.position(fine.stop - 1) + radius
        assert needed.stop - needed.start <= (fine.stop - fine.start) / ratio + 2 * radius + 3


@given(
    ratio=st.sampled_from(RATIOS),
    # Rounded: a hundred-thousandth of a pixel uncovered is covered to the scene and missing to the test.
    phase=st.tuples(*[st.floats(-6, 6).map(lambda side: round(side, 3))] * 2),
    kernel=st.sampled_from(["nearest", "bilinear", "cubic", "lanczos", "lanczos6"]),
    name=st.sampled_from(["test-exp", "test-ratio", "test-detail"]),
    tile=st.tuples(st.integers(17, 130), st.integers(17, 130)),
    holes=st.sampled_from(["none", "pan", "ms", "both"]),
)
@settings(max_examples=20)
def test_tiled_equals_whole_bit_for_bit(synth, ratio, phase, kernel, name, tile, holes):
    pan, ms = synth.arrays((21, 26), ratio, phase, bands=2)
    if holes in ("pan", "both"):
        pan[20:31, 14:19] = np.nan
        pan[5, 5] = pan[-3:, -2] = np.nan
    if holes in ("ms", "both"):
        ms[0, 8:13, 3:6] = np.nan
        ms[1, 0, 0] = ms[:, 17, 20] = np.nan
    with synth.joined(pan, ms, ratio, phase, kernel) as scene:
        sharpener = synth.SHARPENERS[name]
        whole = synth.sharpen_tiles(scene, sharpener)
        tiled = synth.sharpen_tiles(scene, sharpener, tile)
    assert np.array_equal(tiled, whole, equal_nan=True)
    assert np.isfinite(whole).mean() > 0.5
    rows, cols = synth.centres(pan.shape)
    beyond = np.zeros(pan.shape, bool)  # more than half an MS pixel
    for position, corner, size in ((rows, phase[0], 21), (cols, phase[1], 26)):
        beyond |= (position < corner - ratio / 2 - 1e-3) | (position > corner + (size + 0.5) * ratio + 1e-3)
    assert np.isnan(whole[:, beyond]).all()
    assert np.isnan(whole[:, ~beyond]).any() == (holes != "none")


@pytest.mark.parametrize("name", ["test-exp", "test-detail"])
def test_tiled_equals_whole_where_tiles_end_in_large_holes(synth, name):
    """Holes wider than the kernel, islands in them beyond a tile's window: the fill must look as far as it fills."""
    pan, ms = synth.arrays((48, 60), bands=1)
    ms[0, 10:38, 14:45] = np.nan
    ms[0, 20, 22] = ms[0, 27, 37] = 3000
    pan[60:130, 100:200] = np.nan
    pan[90, 150] = 3000
    with synth.joined(pan, ms) as scene:
        whole = synth.sharpen_tiles(scene, synth.SHARPENERS[name])
        for tile in ((24, 37), (64, 64)):
            assert np.array_equal(synth.sharpen_tiles(scene, synth.SHARPENERS[name], tile), whole, equal_nan=True)


@pytest.mark.parametrize("shift", [(0.3, -0.7), (-2.6, 3.4)])
def test_tiled_equals_whole_when_pan_is_moved(synth, shift):
    pan, ms = synth.arrays((24, 30))
    pan[30:35, 40:55] = np.nan
    pair = array_pair(pan.shape, ms.shape[1:], 4.0, (0.0, 0.0)).pan_moved(*shift)
    with synth.joined(pan, ms, pair=pair) as scene:
        whole = synth.sharpen_tiles(scene, synth.SHARPENERS["test-detail"])
        for tile in ((17, 120), (64, 64), (33, 29)):
            assert np.array_equal(
                synth.sharpen_tiles(scene, synth.SHARPENERS["test-detail"], tile), whole, equal_nan=True
            )


def test_moved_pan_lands_where_it_should_and_so_do_its_holes(synth):
    rows, cols = synth.centres((80, 96))
    pan = synth.ramp(rows, cols).astype(np.float32)
    ms = np.ones((1, 20, 24), np.float32)
    hole = slice(30, 40), slice(50, 70)
    pan[hole] = np.nan
    pair = array_pair(pan.shape, (20, 24), 4.0, (0.0, 0.0)).pan_moved(3.0, -2.0)
    with synth.joined(pan, ms, pair=pair) as scene:
        tile = scene.tile(synth.whole_window(pan.shape), 0)
    missing = np.zeros(pan.shape, bool)
    missing[33:43, 48:68] = True
    assert np.array_equal(~tile.pan_valid, missing)
    far = np.zeros(pan.shape, bool)
    far[8:22, 8:85] = True
    expected = synth.ramp(rows - 3, cols + 2)
    assert np.allclose(tile.pan[far], expected[far], atol=0.02)


@given(
    ratio=st.sampled_from(RATIOS), phase=st.tuples(st.floats(-2, 2), st.floats(-2, 2)),
    name=st.sampled_from(["test-exp", "test-detail"]), value=st.sampled_from([1.0, 1000.0, 65535.0]),
    seed=st.integers(0, 99),
)  # fmt: skip
@settings(max_examples=12)
def test_a_constant_stays_constant_around_holes(synth, ratio, phase, name, value, seed):
    rng = np.random.default_rng(seed)
    ms = np.full((2, 20, 24), value, np.float32)
    pan = np.full((int(20 * ratio), int(24 * ratio)), value, np.float32)
    for image in (pan, *ms):
        image[rng.random(image.shape) < 0.02] = np.nan
        row, col = rng.integers(0, 12, 2)
        image[row : row + 6, col : col + 5] = np.nan
    with synth.joined(pan, ms, ratio, phase) as scene:
        out = synth.sharpen_tiles(scene, synth.SHARPENERS[name], (50, 41))
    found = out[np.isfinite(out)]
    assert found.size > 0.3 * out.size
    assert np.abs(found - value).max() <= 4e-6 * value


@pytest.mark.parametrize("ratio", RATIOS)
def test_missing_is_exactly_what_lies_under_a_missing_pixel(synth, ratio):
    """PAN's holes pixel by pixel, the MS's as squares of its own pixels, each band its own."""
    pan, ms = synth.arrays((20, 24), ratio)
    pan[11, 13] = np.nan
    ms[1, 7, 9] = np.nan
    expected = np.zeros((3, *pan.shape), bool)
    expected[:, 11, 13] = True
    rows, cols = synth.centres(pan.shape)
    expected[1] |= (np.floor(rows / ratio) == 7) & (np.floor(cols / ratio) == 9)
    with synth.joined(pan, ms, ratio) as scene:
        out = synth.sharpen_tiles(scene, synth.SHARPENERS["test-exp"])
    assert np.array_equal(np.isnan(out), expected)


def test_values_under_nodata_never_reach_a_valid_pixel(synth):
    """Whatever is stored in missing pixels, the result is the same."""
    pan, ms = synth.arrays((20, 24))
    results = []
    for poison in (0.0, -9999.0, 65535.0):
        bad_pan, bad_ms = pan.copy(), ms.copy()
        bad_pan[30:40, 20:33] = bad_ms[:, 3:5, 10] = bad_ms[2, 12, 12] = poison
        with synth.joined(bad_pan, bad_ms, nodata=poison) as scene:
            results.append(synth.sharpen_tiles(scene, synth.SHARPENERS["test-detail"], (37, 64)))
    for other in results[1:]:
        assert np.array_equal(results[0], other, equal_nan=True)


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("phase", [(0.0, 0.0), (-0.5, -0.5), (1.0, -1.25)])
def test_samples_are_each_valid_pixel_once_whatever_the_tiling(synth, ratio, phase):
    pan, ms = synth.arrays((21, 26), ratio, phase)
    ms[0, 4:6, 7] = np.nan
    pan[40, 12:20] = np.nan
    with synth.joined(pan, ms, ratio, phase) as scene:

        def gathered(tile):
            reads = [scene.tile(window, 5) for window in plan(scene.pair.shape, tile)]
            fine = np.concatenate([t.samples(t.pan, t.ms_up) for t in reads], axis=1)
            coarse = np.concatenate([t.ms_samples(t.ms) for t in reads], axis=1)
            return [image[:, np.lexsort(image)] for image in (fine, coarse)]

        whole = gathered(scene.pair.shape)
        tiled = gathered((23, 31))
    for one, other in zip(whole, tiled, strict=True):
        assert one.dtype == np.float32
        assert np.array_equal(one, other)
        assert np.isfinite(one).all()
    assert whole[0].shape[1] > 0.8 * pan.size


def test_degrade_samples_at_the_true_ms_centres(synth):
    for ratio, phase in ((4.0, (1.0, -0.5)), (2.5, (0.0, 0.75)), (2.0, (-0.5, -0.5))):
        shape = 200, 220
        rows, cols = synth.centres(shape)
        pan = synth.ramp(rows, cols).astype(np.float64)
        ms = np.zeros((1, int(200 / ratio), int(220 / ratio)), np.float32)
        with synth.joined(pan, ms, ratio, phase) as scene:
            tile = scene.tile(synth.whole_window(shape), 0)
            low = tile.degrade(pan, [0.3, 0.25, 0.3])
        coarse_rows, coarse_cols = synth.centres(low.shape[1:], ratio)
        top, left = tile.ms_window.origin
        expected = synth.ramp(coarse_rows + phase[0] + top * ratio, coarse_cols + phase[1] + left * ratio)
        inner = slice(20, -20), slice(20, -20)
        assert low.shape[0] == 3
        assert np.array_equal(low[0], low[2])
        assert np.abs(low - expected)[(slice(None), *inner)].max() < 5  # of 1000 a PAN row: half a hundredth


def test_upsampling_then_degrading_returns_the_ms_where_it_is_smooth(synth):
    rows, cols = synth.centres((40, 44), 4.0)
    ms = (1000 + 200 * np.sin(rows / 40) * np.cos(cols / 55))[None].astype(np.float32)
    pan = np.zeros((160, 176), np.float32)
    with synth.joined(pan, ms) as scene:
        tile = scene.tile(synth.whole_window(pan.shape), 8)
        back = tile.degrade(tile.ms_up[0], [0.3])[0]
    inner = Window.of(10, 10, 20, 20).within(tile.ms_window)
    assert np.abs(back[inner] - tile.ms[0][inner]).max() < 3


def test_ordered_map_keeps_order_and_bounds_what_is_pending():
    started = []
    with ThreadPoolExecutor(2) as pool:

        def items():
            for item in range(30):
                started.append(item)
                yield item

        for expected, result in enumerate(ordered_map(lambda x: x * x, items(), pool, ahead=4)):
            assert result == expected**2
            assert len(started) <= expected + 4


def test_ordered_map_raises_what_the_function_raises():
    def fail(item):
        if item == 3:
            raise ValueError("third")
        return item

    with ThreadPoolExecutor(2) as pool, pytest.raises(ValueError, match="third"):
        list(ordered_map(fail, range(10), pool, ahead=4))
