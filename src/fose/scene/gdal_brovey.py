"""GDAL's own weighted Brovey as a method, a yardstick: GDAL computes it through a VRT, fose only writes the result."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from fose.errors import InputError
from fose.scene.grid import join
from fose.scene.reader import Raster
from fose.scene.sharpen import Opened, Options, Progress, Report, open_pair, prepared, run
from fose.scene.writer import check_target
from fose.sharpener import Array, Tile

NAME = "gdal-brovey"
DESCRIPTION = (
    "GDAL's weighted Brovey, computed by GDAL through a VRT: a yardstick (ignores grid phase and registration)"
)
RESAMPLINGS = {"nearest": "NearestNeighbour", "bilinear": "Bilinear", "cubic": "Cubic", "lanczos": "Lanczos"}
EXTENTS = {"intersection": "Intersection", "pan": "None", "union": "Union"}


class _AsComputed:
    """The identity: GDAL's result arrives as an MS that already lies on PAN's grid."""

    name = NAME
    halo = 0
    reach = 0
    working = 2.5

    def fit(self, scene: Any) -> None:
        """Nothing to measure."""

    def apply(self, tile: Tile, fit: None) -> Array:
        """GDAL's pixels."""
        return tile.ms_up


def sharpen_files(
    pan: str | Path,
    ms: Sequence[str | Path],
    out: str | Path,
    weights: Sequence[float] | None,
    options: Options,
    progress: Progress | None,
) -> Report:
    """As `fose.scene.sharpen.sharpen_files`; weights per MS band, default equal. Registration is always off."""
    check_target(Path(out), options.driver, options.overwrite)
    plain = replace(options, register="off", resampling="nearest")
    with prepared(options) as stack:
        opened = open_pair(pan, ms, options, stack)
        vrt = describe(opened, weights, options)
        computed = stack.enter_context(Raster([vrt], nodata=options.nodata, names=opened.ms.names))
        computed.info = replace(opened.ms.info, grid=computed.info.grid)
        pair = join(opened.pan.info.grid, computed.info.grid, options.extent)
        return run(replace(opened, ms=computed, pair=pair), Path(out), _AsComputed(), plain, progress)


def describe(opened: Opened, weights: Sequence[float] | None, options: Options) -> str:
    """The VRT, as XML, that makes GDAL compute its weighted Brovey for this pair."""
    bands = len(opened.ms)
    if weights is not None and len(weights) != bands:
        raise InputError(f"--weights: expected {bands} numbers, one for each MS band, found {len(weights)}")
    chosen = weights or [1 / bands] * bands
    sources = "".join(
        f'<SpectralBand dstBand="{index}">{_source(path, band)}</SpectralBand>'
        for index, (path, band) in enumerate(opened.ms.sources, start=1)
    )
    nodata = "" if opened.ms.info.nodata is None else f"<NoData>{opened.ms.info.nodata!r}</NoData>"
    return (
        '<VRTDataset subClass="VRTPansharpenedDataset"><PansharpeningOptions>'
        "<Algorithm>WeightedBrovey</Algorithm>"
        f"<AlgorithmOptions><Weights>{','.join(repr(float(w)) for w in chosen)}</Weights></AlgorithmOptions>"
        f"<Resampling>{RESAMPLINGS.get(options.resampling, 'Cubic')}</Resampling>"
        f"<NumThreads>{options.threads or 'ALL_CPUS'}</NumThreads>{nodata}"
        f"<SpatialExtentAdjustment>{EXTENTS[options.extent]}</SpatialExtentAdjustment>"
        f"<PanchroBand>{_source(*opened.pan.sources[0])}</PanchroBand>{sources}"
        "</PansharpeningOptions></VRTDataset>"
    )


def _source(path: str, band: int) -> str:
    local = Path(path)
    full = str(local.resolve()) if local.exists() else path
    return f'<SourceFilename relativeToVRT="0">{escape(full)}</SourceFilename><SourceBand>{band}</SourceBand>'
