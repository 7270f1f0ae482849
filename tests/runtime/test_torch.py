"""The PyTorch engine, on the CPU: what a GPU adds is its memory, which a network here pretends to fill."""

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the engine needs PyTorch (extra gpu or train)")

from safetensors.torch import save_file  # noqa: E402

from fose.errors import InputError  # noqa: E402
from fose.nn.files import WEIGHTS, read_tensors  # noqa: E402
from fose.nn.model import ModelRecipe, new_model, receptive_field  # noqa: E402
from fose.runtime.torch import TorchEngine  # noqa: E402

NEEDS_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
STAGE, SIZES = "fusion", {"depth": 1}


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    """A small network with random weights everywhere: layers that start at zero would hide what they read."""
    sizes = ModelRecipe(**SIZES)
    draw = torch.Generator().manual_seed(3)
    state = new_model(STAGE, sizes).state_dict()
    weights = {name: torch.randn(tensor.shape, generator=draw) * 0.1 for name, tensor in state.items()}
    recipe = {"model": SIZES | {"base": True}}
    header = json.dumps({"recipe": recipe, "receptive_field": receptive_field(STAGE, sizes)})
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    save_file(weights, path, {"format": WEIGHTS, "stage": STAGE, "header": header})
    return path


def window(height, width, bands=2):
    random = np.random.default_rng(0)
    shapes = (3, height, width), (bands, 3, height, width), (bands, 10)
    return tuple(random.normal(size=shape).astype(np.float32) for shape in shapes)


class Full(torch.nn.Module):
    """A network on a device whose memory holds so many pixels; remembers the shapes that it held."""

    def __init__(self, model, pixels):
        super().__init__()
        self.model, self.pixels, self.shapes = model, pixels, []

    def forward(self, spatial, spectral, conditions):
        shape = tuple(spatial.shape[1:])
        if shape[0] * shape[1] > self.pixels:
            raise torch.OutOfMemoryError("pretended")
        self.shapes.append(shape)
        return self.model(spatial, spectral, conditions)


def full(path, pixels):
    engine = TorchEngine(path, "cpu")
    engine._models = [Full(engine._models[0], pixels)]
    return engine


@pytest.mark.parametrize("shape", [(168, 320), (320, 168), (244, 244)])
@pytest.mark.parametrize("pixels", [40_000, 16_000])
def test_a_window_that_does_not_fit_is_evaluated_in_pieces(model_file, shape, pixels):
    given, engine = window(*shape), full(model_file, pixels)
    whole = TorchEngine(model_file, "cpu")(*given)
    pieces = engine(*given)
    assert len(engine._models[0].shapes) > 1
    assert pieces.dtype == np.float32
    np.testing.assert_allclose(pieces, whole, atol=1e-5 * float(np.ptp(whole)))


def test_a_window_that_fits_is_evaluated_once(model_file):
    engine = full(model_file, 168 * 320)
    engine(*window(168, 320))
    assert engine._models[0].shapes == [(168, 320)]


def test_where_not_even_a_small_piece_fits_the_error_says_what_helps(model_file):
    with pytest.raises(
        InputError, match=r"memory is full \(cpu\); use fewer --threads, another --device, or --device cpu"
    ):
        full(model_file, 0)(*window(168, 320))


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=NEEDS_GPU)])
def test_several_threads_are_served_side_by_side(model_file, device):
    """On a GPU each has a stream of its own, and what one has prepared must not reach another."""
    given = [window(96, 128, bands) for bands in (1, 2, 3, 4)]
    engine, reference = TorchEngine(model_file, device), TorchEngine(model_file, "cpu")
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda inputs: engine(*inputs), given * 4))
    for image, inputs in zip(found, given * 4, strict=True):
        wanted = reference(*inputs)
        tolerance = 1e-6 if device == "cpu" else 1e-2  # float16 on a GPU
        np.testing.assert_allclose(image, wanted, atol=tolerance * float(np.ptp(wanted)))


@pytest.mark.parametrize("device", ["gpu", "mps", "meta", "cuda:x", "cuda:-1", "cuda:0 "])
def test_unknown_devices_are_refused(model_file, device):
    with pytest.raises(InputError, match="--device: expected auto, cpu, cuda or cuda:0 and so on; found"):
        TorchEngine(model_file, device)


@pytest.mark.parametrize(("device", "seen"), [("cuda", 0), ("cuda:0", 0), ("cuda:2", 2)])
def test_gpus_that_pytorch_does_not_see_are_refused(model_file, monkeypatch, device, seen):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: seen)
    with pytest.raises(InputError, match=rf"--device {device}: PyTorch .* sees {seen} GPUs; use --device cpu"):
        TorchEngine(model_file, device)


def test_a_model_of_another_shape_is_refused(model_file, tmp_path):
    tensors, metadata = read_tensors(model_file, "model")
    tensors.popitem()
    save_file(tensors, tmp_path / "old.safetensors", metadata)
    with pytest.raises(InputError, match=r"expected a model of this version of fose, found .*old\.safetensors"):
        TorchEngine(tmp_path / "old.safetensors", "cpu")
