"""Pairs as files and as DataArrays, small statistics tiles, and a real cluster of two worker processes."""

import numpy as np
import pytest

pytest.importorskip("rioxarray", reason="needs the extra: pip install 'fose[dask]'")
pytest.importorskip("distributed", reason="needs the extra: pip install 'fose[dask]'")


@pytest.fixture
def small_tiles(monkeypatch):
    """Several statistics tiles and several chunks in scenes of a few hundred pixels."""
    monkeypatch.setattr("fose.scene.scene.STATISTICS_TILE", 128)
    monkeypatch.setattr("fose.xr.arrays.CHUNKS", ((128, 128),))
    monkeypatch.setattr("fose.xr.arrays.ALIGNED", 64)


@pytest.fixture
def opened():
    """Opens files lazily in small chunks: opened(pan, ms, pan_chunk, ms_chunk, **options)."""
    import rioxarray

    def open_them(pan, ms, pan_chunk=(96, 77), ms_chunk=(31, 40), **options):
        def one(path, chunk):
            return rioxarray.open_rasterio(path, chunks={"band": 1, "y": chunk[0], "x": chunk[1]}, **options)

        return one(pan, pan_chunk), one(ms, ms_chunk)

    return open_them


@pytest.fixture
def holed_pair(synth, tmp_path):
    """Integer PAN (260, 340) and MS with holes in both, off by a sub-pixel phase: nodata 0."""
    pan, ms = synth.arrays((65, 85), 4.0, (1.0, -0.5))
    pan[50:61, 90:140] = pan[3, 4] = 0
    ms[:, 30:34, 20:31] = ms[1, 60:63, 80] = 0
    integers = [np.rint(image).astype(np.uint16) for image in (pan, ms)]
    return synth.save_pair(tmp_path, *integers, 4.0, (1.0, -0.5), nodata=0)


@pytest.fixture
def wide_pair(synth, tmp_path):
    """Two bands of floats, PAN (80, 1100): two chunks of the result and two of a network's blocks, which are dear."""
    return synth.save_pair(tmp_path, *synth.arrays((20, 275), bands=2))


@pytest.fixture(scope="session")
def client():
    """A cluster of two worker processes of one thread each."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client
