"""What `make demo` runs: sharpen the bundled Landsat 8 sample, say what was written and how good it is."""

from pathlib import Path

import numpy as np
import rasterio

import fose
from fose import sensors
from fose.evaluation.reduced import degrade_pair, scores

HERE = Path(__file__).parent / "landsat8"
PAN, MS = HERE / "LC08_B8.TIF", [HERE / f"LC08_B{band}.TIF" for band in (4, 3, 2, 5)]
OUT = Path("demo") / "landsat8_sharp.tif"


def read(path: Path) -> np.ndarray:
    """The one band of a file."""
    with rasterio.open(path) as raster:
        return raster.read(1)


def main() -> None:
    """Sharpen files as the command line does, then measure on the same scene degraded by its ratio."""
    OUT.parent.mkdir(exist_ok=True)
    print(f"$ fose sharpen {PAN} {' '.join(map(str, MS))} {OUT} --overwrite")
    report = fose.sharpen(PAN, MS, OUT, overwrite=True)
    bands, height, width = report.shape
    print(f"wrote {OUT}: {width}x{height} pixels of 15 m, {bands} bands, {report.dtype}, method {report.method}")
    for note in report.notes:
        print(f"note: {note}")

    print(
        "\nHow good: PAN and MS degraded by 2, sharpened back to 30 m, compared with the real 30 m MS (Wald's protocol)"
    )
    ms_image = np.stack([read(path) for path in MS])
    landsat = sensors.resolve("landsat-8", sensors.Metadata(count=4, filenames=[str(path) for path in MS]))
    pair = degrade_pair(read(PAN), ms_image, landsat.gains, landsat.pan_gain, 2.0, report.phase)
    print(f"{'method':<14}{'SAM °':>8}{'ERGAS':>8}{'Q2n':>8}   (SAM, ERGAS: lower is better; Q2n: higher)")
    for method in ("exp", "brovey", "gsa", report.method):
        sharp = fose.sharpen_array(pair.pan, pair.ms, ratio=2, method=method, sensor="landsat-8")
        found = scores(pair.target, sharp, pair.ratio)
        print(f"{method:<14}{found['SAM']:>8.3f}{found['ERGAS']:>8.3f}{found['Q2n']:>8.4f}")
    print("(the network's training images include this scene; docs/quality.md has scenes that it never saw)")


if __name__ == "__main__":
    main()
