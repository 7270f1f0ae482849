"""Joining grids: every way that two geotransforms can lie on each other, and the errors where they cannot."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from rasterio import Affine
from rasterio.crs import CRS

from fose.errors import GridError
from fose.scene.grid import Grid, array_pair, join

UTM = CRS.from_epsg(32633)
RATIOS = (1.0, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0)


def grid(shape, pixel=0.5, corner=(5_000_000.0, 300_000.0), rotation=0.0, crs=UTM):
    """North-up grid, its corner (north, east) in metres, turned about it by degrees."""
    transform = Affine.translation(corner[1], corner[0]) * Affine.rotation(rotation) * Affine.scale(pixel, -pixel)
    return Grid(shape, transform, crs)


def moved(base, ratio, rows, cols, shape):
    """A grid of `ratio` coarser pixels whose corner lies at (rows, cols) of the base's pixels."""
    return Grid(shape, base.transform * Affine.translation(cols, rows) * Affine.scale(ratio), base.crs)


@given(
    ratio=st.sampled_from(RATIOS),
    corner=st.tuples(st.floats(-7.5, 30), st.floats(-7.5, 30)),
    shape=st.tuples(st.integers(8, 60), st.integers(8, 60)),
    extent=st.sampled_from(["intersection", "pan", "union"]),
    rotation=st.sampled_from([0.0, 12.5]),
)
def test_the_axis_maps_say_what_the_geotransforms_say(ratio, corner, shape, extent, rotation):
    """An output pixel's centre is the same place through the output's transform and through the MS's."""
    pan = grid((97, 113), rotation=rotation)
    ms = moved(pan, ratio, *corner, shape)
    pair = join(pan, ms, extent)
    for row, col in ((0, 0), (pair.shape[0] - 1, pair.shape[1] - 1), (3, 1)):
        here = pair.transform * (col + 0.5, row + 0.5)
        there = ms.transform * (float(pair.cols.position(col)) + 0.5, float(pair.rows.position(row)) + 0.5)
        assert here == pytest.approx(there, abs=1e-6)
    top, left = pair.pan_origin
    assert pan.transform * (3, 5) == pytest.approx(pair.transform @ (3 + left, 5 + top), abs=1e-6)
    assert pair.ratio == pytest.approx(ratio)


@given(
    ratio=st.sampled_from(RATIOS),
    corner=st.tuples(st.floats(-80, 80), st.floats(-80, 80)),
    shape=st.tuples(st.integers(5, 40), st.integers(5, 40)),
)
def test_extents(ratio, corner, shape):
    """Intersection: PAN pixels within half an MS pixel of the MS. Pan: PAN. Union: the least that holds both."""
    pan = grid((80, 90))
    edges = [(c, c + n * ratio) for c, n in zip(corner, shape, strict=True)]
    overlap = [min(stop, size) - max(start, 0) for (start, stop), size in zip(edges, pan.shape, strict=True)]
    assume(all(abs(length) > 1e-3 for length in overlap))
    ms = moved(pan, ratio, *corner, shape)
    if min(overlap) < 0:
        with pytest.raises(GridError, match="no common area"):
            join(pan, ms)
        return
    pairs = {extent: join(pan, ms, extent) for extent in ("intersection", "pan", "union")}
    assert pairs["pan"].shape == pan.shape
    assert pairs["pan"].pan_origin == (0, 0)
    for axis in (0, 1):
        (start, stop), size = edges[axis], pan.shape[axis]
        centre = np.arange(size) + 0.5
        low, high = start - ratio / 2, stop + ratio / 2
        assume(all(np.abs(centre - edge).min() > 1e-4 or edge in centre for edge in (low, high)))
        covered = np.flatnonzero((centre >= low - 1e-9) & (centre <= high + 1e-9))
        inner = pairs["intersection"]
        assert -inner.pan_origin[axis] == covered[0]
        assert inner.shape[axis] == len(covered)
        union = pairs["union"]
        first = -union.pan_origin[axis]
        last = first + union.shape[axis]
        assert first <= min(0, start) + 1e-5
        assert last >= max(size, stop) - 1e-5
        assert min(0, start) - first < 1
        assert last - max(size, stop) < 1


def test_extents_of_less_than_a_pixel_lose_nothing():
    pan = grid((80, 96))
    smaller = Grid((20, 24), Affine(1.995, 0, 300_000.2, 0, -1.99, 4_999_999.9), UTM)
    pair = join(pan, smaller)
    assert pair.shape == pan.shape
    assert pair.transform == pan.transform


def test_landsat_half_pixel_offset():
    """Landsat Collection 1: PAN and MS share pixel centres, so the MS corner lies half a PAN pixel outside PAN's."""
    pan = grid((400, 600), pixel=15)
    ms = Grid((200, 300), pan.transform * Affine.translation(-0.5, -0.5) * Affine.scale(2), UTM)
    pair = join(pan, ms)
    assert pair.phase == pytest.approx((1.5, 1.5))
    assert pair.shape == (400, 600)
    # The centre of MS pixel (i, j) is the centre of PAN pixel (2 i, 2 j).
    assert pair.rows.position(np.arange(0, 40, 2)) == pytest.approx(np.arange(20))
    assert pair.cols.position(np.arange(0, 40, 2)) == pytest.approx(np.arange(20))


def test_a_quarter_ms_pixel_corner():
    pan = grid((80, 80))
    pair = join(pan, moved(pan, 4, 1, -1, (20, 20)))
    assert pair.phase == pytest.approx((1, 3))
    assert float(pair.rows.inverse.position(0)) == pytest.approx(2.5)
    assert float(pair.cols.inverse.position(0)) == pytest.approx(0.5)


@given(phase=st.tuples(st.floats(0, 3.99), st.floats(0, 3.99)), crop=st.tuples(st.integers(0, 9), st.integers(0, 9)))
def test_phase_is_where_the_ms_corner_lies(phase, crop):
    pan = grid((80, 80))
    pair = join(pan, moved(pan, 4, phase[0] + 4 * crop[0], phase[1] + 4 * crop[1], (20, 20)), "pan")
    for found, wanted in zip(pair.phase, phase, strict=True):
        assert (found - wanted + 1e-5) % 4 < 2e-5


def test_arrays_make_the_same_pair_as_grids():
    pan = grid((80, 88))
    by_grid = join(pan, moved(pan, 4, 1.25, -0.5, (20, 22)), "pan")
    by_array = array_pair((80, 88), (20, 22), 4, (1.25, -0.5))
    assert by_array.phase == pytest.approx(by_grid.phase)
    for name in ("rows", "cols"):
        one, other = getattr(by_grid, name), getattr(by_array, name)
        assert (one.start, one.step) == pytest.approx((other.start, other.step), abs=1e-6)


def test_unequal_ratios_of_rows_and_columns():
    pan = grid((80, 90))
    ms = Grid((20, 30), pan.transform * Affine.scale(3, 4), UTM)
    pair = join(pan, ms)
    assert (1 / pair.rows.step, 1 / pair.cols.step) == pytest.approx((4, 3))
    assert pair.ratio == pytest.approx(12**0.5)


def test_without_georeference_extents_are_equal():
    pair = join(Grid((80, 75), None), Grid((20, 30), None))
    assert pair.transform is None
    assert (1 / pair.rows.step, 1 / pair.cols.step) == pytest.approx((4, 2.5))
    assert pair.phase == (0, 0)


def test_equally_rotated_pairs_join():
    pan = grid((80, 90), rotation=30)
    pair = join(pan, moved(pan, 4, 0, 0, (20, 22)))
    assert pair.shape == (80, 90)
    assert pair.transform == pan.transform


def test_south_up_pairs_join():
    pan = Grid((80, 90), Affine(0.5, 0, 0, 0, 0.5, 0), UTM)
    assert join(pan, moved(pan, 4, 2, 0, (20, 22))).phase == pytest.approx((2, 0))


REFUSED = {
    "rotated": (grid((80, 90)), grid((20, 22), 2, rotation=1), "rotated, sheared or flipped pair"),
    "flipped": (grid((80, 90)), Grid((20, 22), Affine(2, 0, 300_000, 0, 2, 4_999_960), UTM), "rotated"),
    "apart": (grid((80, 90)), grid((20, 22), 2, (5_000_000, 301_000)), "no common area"),
    "touching": (grid((80, 90)), grid((20, 22), 2, (5_000_000, 300_045)), "no common area"),
    "finer": (grid((80, 90)), grid((160, 180), 0.25), "MS finer than PAN"),
    "finer without georeference": (Grid((80, 90), None), Grid((81, 90), None), "MS finer than PAN"),
    "PAN lost": (Grid((80, 90), None), grid((20, 22), 2), "found none on PAN"),
    "MS lost": (grid((80, 90)), Grid((20, 22), None), "found none on MS"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_pairs_that_cannot_be_joined_are_refused_naming_both_grids(case):
    pan, ms, reason = REFUSED[case]
    with pytest.raises(GridError, match=reason) as raised:
        join(pan, ms)
    message = str(raised.value)
    assert str(pan) in message
    assert str(ms) in message
    assert "\n" not in message


def test_a_tiny_relative_rotation_is_tolerated_only_while_it_stays_below_a_tenth_of_a_pan_pixel():
    pan = grid((100, 100))
    join(pan, grid((25, 25), 2, rotation=0.05))  # drifts 0.09 PAN pixels over the scene
    with pytest.raises(GridError, match="rotated"):
        join(pan, grid((25, 25), 2, rotation=0.07))


def test_a_grid_describes_itself():
    text = str(grid((80, 90), rotation=0))
    assert text == "90x80 px of 0.5x0.5 at (300000, 5000000), EPSG:32633"
    assert str(Grid((2, 3), None)) == "3x2 px, no georeference"


@given(rows=st.floats(-4, 4), cols=st.floats(-4, 4))
def test_moving_the_ms_content(rows, cols):
    """What lay at an MS position shows so many PAN pixels further down and right."""
    pair = array_pair((80, 80), (20, 20), 4, (1, 2))
    after = pair.ms_moved(rows, cols)
    assert float(after.rows.position(10 + rows)) == pytest.approx(float(pair.rows.position(10)))
    assert float(after.cols.position(10 + cols)) == pytest.approx(float(pair.cols.position(10)))
    assert pair.pan_moved(rows, cols).pan_shift == (rows, cols)
