"""How a PAN and an MS grid lie on each other, in floating point, from their two geotransforms alone."""

from dataclasses import dataclass, replace
from math import ceil, floor, sqrt

from rasterio import Affine
from rasterio.crs import CRS

from fose.errors import GridError, InputError
from fose.ops.resample import AxisMap

Shape = tuple[int, int]

EXTENTS = ("intersection", "pan", "union")
# Drift between the two grids, in PAN pixels over the whole scene, above which a pair counts as rotated.
ROTATION_TOLERANCE = 0.1


@dataclass(frozen=True)
class Grid:
    """A raster's grid: shape in pixels and its geotransform; crs and transform are None without georeference."""

    shape: Shape
    transform: Affine | None
    crs: CRS | None = None

    def __str__(self) -> str:
        size = f"{self.shape[1]}x{self.shape[0]} px"
        if self.transform is None:
            return f"{size}, no georeference"
        t = self.transform
        rotation = f", rotation terms {t.b:g} {t.d:g}" if t.b or t.d else ""
        crs = self.crs.to_string() if self.crs else "no CRS"
        return f"{size} of {abs(t.a):g}x{abs(t.e):g} at ({t.c:.10g}, {t.f:.10g}){rotation}, {crs}"


@dataclass(frozen=True)
class GridPair:
    """The output's grid (PAN's, cropped or grown to the extent asked for) and where PAN and MS lie on it.

    All indices are output pixels. `rows` and `cols` map them to MS pixels; `pan_origin` is where PAN's first
    pixel lies; `pan_shift` is a sub-pixel move of PAN (rows, columns), zero unless PAN was registered to the MS.
    """

    shape: Shape
    transform: Affine | None
    crs: CRS | None
    pan_origin: tuple[int, int]
    pan_shape: Shape
    ms_shape: Shape
    rows: AxisMap
    cols: AxisMap
    pan_shift: tuple[float, float] = (0.0, 0.0)

    @property
    def ratio(self) -> float:
        """PAN pixels per MS pixel (geometric mean of rows and columns)."""
        return 1 / sqrt(self.rows.step * self.cols.step)

    @property
    def phase(self) -> tuple[float, float]:
        """Where the MS grid's corner lies on the output grid, modulo one MS pixel, in PAN pixels (row, column)."""
        return _phase(self.rows), _phase(self.cols)

    def ms_moved(self, rows: float, cols: float) -> "GridPair":
        """The pair after the MS content has been moved by so many PAN pixels down and right."""
        return replace(self, rows=self.rows.shifted(-rows), cols=self.cols.shifted(-cols))

    def pan_moved(self, rows: float, cols: float) -> "GridPair":
        """The pair after the PAN content has been moved by so many PAN pixels down and right."""
        return replace(self, pan_shift=(self.pan_shift[0] + rows, self.pan_shift[1] + cols))

    def window(self, row: int, col: int, shape: Shape) -> "GridPair":
        """The pair whose output grid is `shape` pixels from (row, col) of this one; it may reach beyond it."""
        return replace(
            self,
            shape=shape,
            transform=self.transform and self.transform * Affine.translation(col, row),
            pan_origin=(self.pan_origin[0] - row, self.pan_origin[1] - col),
            rows=self.rows.rebased(row),
            cols=self.cols.rebased(col),
        )


def _phase(axis: AxisMap) -> float:
    ratio = 1 / axis.step
    corner = (-0.5 - axis.start) * ratio + 0.5
    phase = corner % ratio
    return 0.0 if ratio - phase < 1e-6 else round(phase, 9)


def gdal_transform(text: str) -> Affine:
    """The transform that GDAL's six numbers, separated by blanks, stand for (CF's GeoTransform attribute)."""
    return Affine.from_gdal(*(float(number) for number in text.split()))


def array_pair(pan_shape: Shape, ms_shape: Shape, ratio: float, phase: tuple[float, float]) -> GridPair:
    """The pair of two arrays: the MS grid's corner lies `phase` PAN pixels (row, column) from PAN's corner."""
    rows, cols = (AxisMap((0.5 - p) / ratio - 0.5, 1 / ratio) for p in phase)
    return GridPair(pan_shape, None, None, (0, 0), pan_shape, ms_shape, rows, cols)


def check_same_grid(names: tuple[str, str], first: Grid, second: Grid) -> None:
    """Refuse two rasters that are not of one grid; GridError names both."""
    if not same_grid(first, second):
        raise GridError(
            f"expected {names[0]} and {names[1]} on one grid, found {names[0]} {first} and {names[1]} {second}; "
            "resample one onto the other's grid, e.g. with gdalwarp -te -ts"
        )


def same_grid(one: Grid, other: Grid) -> bool:
    """Whether two grids agree to a thousandth of a pixel everywhere: in pixels, for metres and degrees alike."""
    if one.shape != other.shape or one.crs != other.crs:
        return False
    if one.transform is None or other.transform is None:
        return one.transform is other.transform
    relation = ~one.transform * other.transform
    height, width = one.shape
    corners = ((0, 0), (width, 0), (0, height), (width, height))
    return all(abs(x - col) < 1e-3 and abs(y - row) < 1e-3 for col, row in corners for x, y in [relation * (col, row)])


def join(pan: Grid, ms: Grid, extent: str = "intersection") -> GridPair:
    """Put PAN and MS, in one CRS, on one grid pair.

    extent: "intersection" keeps the PAN pixels that the MS covers (up to half an MS pixel beyond its edge, so
    extents that differ by less lose nothing); "pan" keeps all; "union" grows to the MS extent.
    GridError names both grids when they are rotated to each other, do not overlap, or MS is finer than PAN.
    """
    if extent not in EXTENTS:
        raise InputError(f"--extent: expected one of {', '.join(EXTENTS)}; found {extent!r}")
    both = f"PAN grid {pan}; MS grid {ms}"
    if (pan.transform is None) != (ms.transform is None):
        side = "PAN" if pan.transform is None else "MS"
        raise GridError(
            f"expected georeference on both rasters or on neither, found none on {side} ({both}); "
            "assign one first, e.g. with gdal_edit.py -a_ullr or rio edit-info"
        )
    if pan.transform is None or ms.transform is None:
        ratios = pan.shape[0] / ms.shape[0], pan.shape[1] / ms.shape[1]
        relation = Affine.scale(1 / ratios[1], 1 / ratios[0])
    else:
        relation = ~ms.transform * pan.transform
    _check_relation(relation, pan, both)
    rows = AxisMap(relation.e / 2 + relation.f - 0.5, relation.e)
    cols = AxisMap(relation.a / 2 + relation.c - 0.5, relation.a)
    row_range = _range(rows, pan.shape[0], ms.shape[0], extent)
    col_range = _range(cols, pan.shape[1], ms.shape[1], extent)
    if row_range is None or col_range is None:
        raise GridError(f"expected PAN and MS to overlap, found no common area ({both}); check that they are a pair")
    origin = row_range[0], col_range[0]
    return GridPair(
        shape=(row_range[1] - row_range[0], col_range[1] - col_range[0]),
        transform=pan.transform and pan.transform * Affine.translation(origin[1], origin[0]),
        crs=pan.crs,
        pan_origin=(-origin[0], -origin[1]),
        pan_shape=pan.shape,
        ms_shape=ms.shape,
        rows=rows.rebased(origin[0]),
        cols=cols.rebased(origin[1]),
    )


def _check_relation(relation: Affine, pan: Grid, both: str) -> None:
    drift = max(abs(relation.b) * pan.shape[0], abs(relation.d) * pan.shape[1])
    scale = max(abs(relation.a), abs(relation.e))
    if relation.a <= 0 or relation.e <= 0 or drift > ROTATION_TOLERANCE * scale:
        raise GridError(
            f"expected two grids with parallel axes, found a rotated, sheared or flipped pair ({both}); "
            "warp one onto the other's axes first, e.g. with gdalwarp"
        )
    if scale > 1 + 1e-6:
        raise GridError(
            f"expected MS pixels at least as large as PAN pixels, found MS finer than PAN ({both}); "
            "check the order of the arguments: PAN first, then MS"
        )


def _range(axis: AxisMap, pan_size: int, ms_size: int, extent: str) -> tuple[int, int] | None:
    """The output range of one axis in PAN pixels, or None where the two do not overlap."""
    back = axis.inverse
    first_edge, last_edge = (float(back.position(edge)) + 0.5 for edge in (-0.5, ms_size - 0.5))
    if min(last_edge, pan_size) - max(first_edge, 0) <= 1e-6:
        return None
    if extent == "pan":
        return 0, pan_size
    if extent == "union":
        return min(0, floor(first_edge + 1e-6)), max(pan_size, ceil(last_edge - 1e-6))
    covered = float(back.position(-1.0)), float(back.position(float(ms_size)))
    return max(0, ceil(covered[0] - 1e-6)), min(pan_size, floor(covered[1] + 1e-6) + 1)
