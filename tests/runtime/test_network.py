"""The network in the scene path: blocks, engines, precision."""

import numpy as np
import pytest

from fose import api, metrics, weights
from fose.errors import InputError
from fose.runtime.network import BLOCK, FOLD, STEP, Network, _blocks
from fose.runtime.openvino import OpenVinoEngine
from fose.scene.resume import plain_fields


class Echo:
    """An engine that returns PAN's detail for every band, and remembers the shapes it was given."""

    def __init__(self):
        self.shapes = []

    def __call__(self, spatial, spectral, conditions):
        self.shapes.append(spatial.shape[1:])
        return np.repeat(spatial[1][None], len(spectral), axis=0)


def scene(bands=3, side=(40, 36), ratio=4, seed=0):
    random = np.random.default_rng(seed)
    pan = random.uniform(200, 900, (side[0] * ratio, side[1] * ratio)).astype(np.float32)
    ms = random.uniform(100, 800, (bands, *side)).astype(np.float32)
    return pan, ms


def model(name="model"):
    return weights.folder("fose") / weights.ONNX


def test_a_job_is_continued_with_the_same_model_only():
    assert plain_fields(Network("n", Echo(), 20, model="a1 float32")) == {
        "name": '"n"',
        "receptive_field": "20",
        "base": "true",
        "model": '"a1 float32"',
    }


def test_the_model_is_named_by_its_weights_and_precision():
    sharpener = api.method("fose", device="cpu")
    assert sharpener.model.endswith(f" {sharpener.engine.precision}")


def test_spans_are_cut_at_multiples_of_the_block():
    assert list(_blocks(0, 1000, 512)) == [(0, 512), (512, 1000)]
    assert list(_blocks(500, 30, 512)) == [(500, 512), (512, 530)]
    assert list(_blocks(-5, 10, 512)) == [(-5, 0), (0, 5)]


def test_every_pixel_is_evaluated_once_and_in_place():
    pan, ms = scene(side=(170, 290))
    detail, engine = Echo(), Echo()
    whole = api.sharpen_array(pan, ms, method=Network("echo", detail, 20))
    tiled = api.sharpen_array(pan, ms, method=Network("echo", engine, 20), tile=(100, 130))
    np.testing.assert_array_equal(tiled, whole)
    context = 20 + FOLD
    assert all(side % STEP == 2 * context % STEP for shape in detail.shapes for side in shape)
    assert max(detail.shapes) <= tuple(side + 2 * context for side in BLOCK)


def test_tiles_that_are_whole_blocks_give_the_same_bits():
    """Low precision too: resumed runs, shards and other memory budgets give the same file."""
    pan, ms = scene(bands=2, side=(260, 300))
    whole = api.sharpen_array(pan, ms)
    for tile in ((512, 1024), (1024, 1024), BLOCK):
        np.testing.assert_array_equal(api.sharpen_array(pan, ms, tile=tile), whole)


def test_low_precision_costs_less_than_a_thousandth_of_the_scores():
    engine = OpenVinoEngine(model())
    if engine.precision == "float32":
        pytest.skip("this CPU does not compute in bfloat16")
    random = np.random.default_rng(2)
    truth = 500 + 100 * random.normal(size=(4, 1, 1)) + np.cumsum(random.normal(size=(4, 256, 256)), axis=2) * 9
    pan, ms = truth.mean(axis=0), truth.reshape(4, 64, 4, 64, 4).mean(axis=(2, 4))
    exact, fast = (
        api.sharpen_array(pan, ms, method=Network("fose", engine, engine.receptive_field))
        for engine in (OpenVinoEngine(model(), precision) for precision in ("float32", "bfloat16"))
    )
    assert not np.array_equal(exact, fast)
    assert abs(metrics.ergas(truth, fast, 4) / metrics.ergas(truth, exact, 4) - 1) < 1e-3
    assert abs(metrics.sam(truth, fast) / metrics.sam(truth, exact) - 1) < 1e-3
    assert abs(metrics.q2n(truth, fast) / metrics.q2n(truth, exact) - 1) < 1e-3


def test_float32_equals_pytorch():
    """Within 1e-4 of full scale on a whole scene, and closer."""
    pytest.importorskip("torch", reason="parity needs PyTorch (extra train)")
    from fose.runtime.torch import TorchEngine

    pan, ms = scene(bands=4, side=(64, 64))
    folder = weights.folder("fose")
    fast, reference = (
        api.sharpen_array(pan, ms, method=Network("fose", engine, engine.receptive_field))
        for engine in (OpenVinoEngine(folder / weights.ONNX, "float32"), TorchEngine(folder / weights.TENSORS, "cpu"))
    )
    assert np.abs(fast - reference).max() < 1e-5 * np.ptp(reference)


def test_a_file_that_is_no_model_of_ours_is_refused(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"nothing")
    with pytest.raises(InputError, match="expected a model that fose train wrote"):
        OpenVinoEngine(path)


def test_a_model_of_an_earlier_version_is_refused(tmp_path):
    onnx = pytest.importorskip("onnx", reason="relabelling a model needs onnx (extra train)")
    old = onnx.load(model())
    onnx.helper.set_model_props(old, {"fose": '{"recipe": {"model": {"base": true}}}'})
    onnx.save(old, tmp_path / "model.onnx")
    with pytest.raises(InputError, match="expected a model of this version of fose"):
        OpenVinoEngine(tmp_path / "model.onnx")


def test_the_engine_serves_several_threads_and_shapes():
    from concurrent.futures import ThreadPoolExecutor

    engine = OpenVinoEngine(model(), "float32")
    random = np.random.default_rng(0)

    def feed(bands, side):
        shapes = ((3, side, side), (bands, 3, side, side), (bands, 10))
        return tuple(random.normal(size=shape).astype(np.float32) for shape in shapes)

    feeds = [feed(bands, side) for bands in (1, 3, 4) for side in (64, 128)]
    expected = [engine(*given) for given in feeds]
    with ThreadPoolExecutor(4) as pool:
        for found, wanted in zip(pool.map(lambda given: engine(*given), feeds * 3), expected * 3, strict=True):
            np.testing.assert_array_equal(found, wanted)
