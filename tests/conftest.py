"""Fixtures that several test folders share."""

import importlib.util
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import rasterio
from hypothesis import settings
from scipy import ndimage

# Time is no law: shared machines are slow. Few examples, because each of the scene's builds images.
settings.register_profile("fose", deadline=None)
settings.load_profile("fose")


@pytest.fixture(scope="session")
def synth() -> ModuleType:
    """Module of synthetic scenes, `synth.py` beside this file (test folders are no packages to import it from)."""
    spec = importlib.util.spec_from_file_location("fose_test_synth", Path(__file__).with_name("synth.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def refvec() -> Path:
    """Folder of the reference vectors, made in Octave from the public toolboxes; skips where it is not there."""
    root = Path(__file__).parents[1]
    shared = os.environ.get("FOSE_SHARED")
    candidates = [Path(shared)] if shared else [root.parent / "shared", root.parents[1] / "shared"]
    for candidate in candidates:
        if (candidate / "refvec").is_dir():
            return candidate / "refvec"
    pytest.skip(f"no reference vectors in {', '.join(map(str, candidates))}: set FOSE_SHARED to the folder of refvec")


@pytest.fixture(scope="session")
def shared_data(refvec: Path) -> Path:
    """Folder of the real scenes (scenes.json); skips where it is not there."""
    data = refvec.parent / "data"
    if not (data / "scenes.json").is_file():
        pytest.skip(f"no scenes in {data}: set FOSE_SHARED to the folder of data")
    return data


@dataclass(frozen=True)
class PairFiles:
    """Paths of a made pair, and the truth that PAN and MS were made from, (C, H, W)."""

    pan: str
    ms: str
    target: str
    truth: np.ndarray


def write_raster(path, image, pixel, nodata=None, origin=(500000.0, 4600000.0)) -> str:
    """A GeoTIFF of (C, H, W) with square pixels of that size."""
    profile = {"driver": "GTiff", "count": len(image), "height": image.shape[1], "width": image.shape[2]}
    profile |= {"dtype": image.dtype, "crs": "EPSG:32631", "nodata": nodata}
    with rasterio.open(path, "w", transform=rasterio.transform.from_origin(*origin, pixel, pixel), **profile) as raster:
        raster.write(image)
    return str(path)


@pytest.fixture(scope="session")
def save_raster():
    """Writes a GeoTIFF: save_raster(path, image, pixel, nodata, origin)."""
    return write_raster


@pytest.fixture
def make_pair(tmp_path):
    """Writes pan.tif, ms.tif and target.tif in a folder: make_pair(name, ms_size, bands, ratio, hole, nodata).

    Textures without symmetry, 11 bits; PAN is the mean of the bands, MS their mean over blocks. hole: MS pixels
    (slices) and the PAN under them that are missing.
    """

    def make(name="scene", ms_size=(40, 48), bands=4, ratio=4, hole=None, nodata=0, shift=0) -> PairFiles:
        folder = tmp_path / name
        folder.mkdir()
        random = np.random.default_rng(5)
        height, width = (side * ratio for side in ms_size)
        noise = random.normal(size=(height + 8, width + 8))
        texture = sum(ndimage.gaussian_filter(noise, s) * s * 60 for s in (1, 3, 8))
        base = texture[4:-4, 4:-4]
        own = ndimage.gaussian_filter(random.normal(size=(bands, height, width)), (0, 4, 4)) * 300
        truth = (700 + 90 * np.arange(bands)[:, None, None] + base + own).clip(1, 2047).round().astype(np.uint16)
        ms = truth.reshape(bands, ms_size[0], ratio, ms_size[1], ratio).mean(axis=(2, 4)).round().astype(np.uint16)
        pan = np.roll(truth.mean(axis=0).round().astype(np.uint16), shift, axis=0)[None]
        if hole is not None:
            rows, cols = hole
            ms[:, rows, cols] = nodata
            pan[:, rows.start * ratio : rows.stop * ratio, cols.start * ratio : cols.stop * ratio] = nodata
        declared = nodata if hole is not None else None
        return PairFiles(
            write_raster(folder / "pan.tif", pan, 1.0, declared),
            write_raster(folder / "ms.tif", ms, float(ratio), declared),
            write_raster(folder / "target.tif", truth, 1.0),
            truth,
        )

    return make


@pytest.fixture(scope="module")
def store():
    """A client of an S3 server on this machine, which holds the bucket `images`."""
    server_module = pytest.importorskip("moto.server", reason="no S3 server: pip install fose[remote]")
    boto3 = pytest.importorskip("boto3", reason="no boto3: pip install fose[remote]")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    settings = {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_S3_ENDPOINT": f"{host}:{port}",
        "AWS_HTTPS": "NO",
        "AWS_VIRTUAL_HOSTING": "FALSE",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, text in settings.items():
            patch.setenv(name, text)
        client = boto3.client("s3", endpoint_url=f"http://{host}:{port}")
        client.create_bucket(Bucket="images")
        yield client
    server.stop()
