"""Laws of the networks: bands are a set, the field of view is bounded, the ensemble starts as the plain average."""

import pytest

torch = pytest.importorskip("torch", reason="networks need PyTorch (extra train)")

from fose.nn.denoiser import Denoiser  # noqa: E402
from fose.nn.end_to_end import EndToEnd  # noqa: E402
from fose.nn.fose import Fose  # noqa: E402
from fose.nn.layers import CELL, conv, fold, on_cells, unfold  # noqa: E402
from fose.nn.model import ModelRecipe, OneWindow, new_model, receptive_field  # noqa: E402
from fose.ops.features import CONDITIONS, SPATIAL, SPECTRAL  # noqa: E402


def scramble(model):
    """Random weights everywhere: layers that start at zero would hide what they read."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return model.eval()


def inputs(bands=3, size=32, count=1, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return (
        torch.randn(count, SPATIAL, size, size, generator=draw),
        torch.randn(count, bands, SPECTRAL, size, size, generator=draw),
        torch.randn(count, bands, CONDITIONS, generator=draw),
    )


@pytest.fixture
def network():
    return scramble(Fose(Denoiser(), EndToEnd()))


def test_fold_and_unfold_are_inverse():
    image = torch.arange(2 * 3 * 8 * 12.0).reshape(2, 3, 8, 12)
    assert torch.equal(unfold(fold(image)), image)


def test_a_layer_on_cells_is_the_1x1_layer_on_the_folded_image():
    layer, image = conv(3 * CELL, 5, 1), torch.randn(2, 3, 16, 24)
    assert torch.allclose(on_cells(layer, image), layer(fold(image)), atol=1e-5)
    lacking = torch.cat([image[:, :2], torch.zeros_like(image[:, 2:])], dim=1)
    assert torch.allclose(on_cells(layer, image[:, :2]), layer(fold(lacking)), atol=1e-5)


def test_no_x_t_is_an_x_t_of_zeros():
    model, given, time = scramble(Denoiser()), inputs(3, count=2), torch.tensor([0.2, 1.0])
    with torch.no_grad():
        assert torch.allclose(model(None, time, given), model(torch.zeros(2, 3, 32, 32), time, given), atol=1e-5)


@pytest.mark.parametrize("bands", [1, 2, 4, 8, 16])
def test_band_order_cannot_matter(network, bands):
    spatial, spectral, conditions = inputs(bands)
    order = torch.randperm(bands, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        straight = network((spatial, spectral, conditions))
        shuffled = network((spatial, spectral[:, order], conditions[:, order]))
    assert torch.allclose(straight[:, order], shuffled, atol=1e-5 * float(straight.abs().max()))
    if bands > 1:
        assert not torch.allclose(straight[:, 0], straight[:, 1])


def test_denoiser_treats_bands_as_a_set():
    model = scramble(Denoiser())
    spatial, spectral, conditions = inputs(4, count=2)
    noisy, time = torch.randn(2, 4, 32, 32), torch.tensor([0.2, 0.9])
    order = torch.tensor([2, 0, 3, 1])
    with torch.no_grad():
        straight = model(noisy, time, (spatial, spectral, conditions))
        shuffled = model(noisy[:, order], time, (spatial, spectral[:, order], conditions[:, order]))
        later = model(noisy, time + 0.05, (spatial, spectral, conditions))
    assert torch.allclose(straight[:, order], shuffled, atol=1e-5 * float(straight.abs().max()))
    assert not torch.allclose(straight, later)


@pytest.mark.parametrize("stage", ["one_step", "end_to_end", "fusion"])
@pytest.mark.parametrize("adaptive", [0, 2])
def test_field_of_view_is_what_the_runtime_is_told(stage, adaptive):
    """The gradient of one pixel reaches to the declared distance and no further; less would waste halo."""
    sizes, size = ModelRecipe(depth=4, adaptive=adaptive), 192
    network = OneWindow(scramble(new_model(stage, sizes)))
    spatial, spectral, conditions = inputs(2, size)
    spatial.requires_grad_(True)
    spectral.requires_grad_(True)
    middle = size // 2
    unfold(network(spatial[0], spectral[0], conditions[0]))[0, 0, middle, middle].backward()
    reached = spatial.grad.abs().sum(dim=(0, 1)) + spectral.grad.abs().sum(dim=(0, 1, 2))
    rows, cols = (reached > 0).nonzero(as_tuple=True)
    furthest = max(abs(rows - middle).max(), abs(cols - middle).max())
    declared = receptive_field(stage, sizes)
    assert declared <= furthest <= declared + 3  # + 3: the pixel's place in its 4x4 cell


def test_untrained_ensemble_is_the_plain_average():
    torch.manual_seed(0)
    model = Fose(Denoiser(), EndToEnd()).eval()
    given = inputs(4)
    start = torch.zeros_like(given[1][:, :, 0])
    with torch.no_grad():
        one = model.denoiser(start, torch.ones(1), given)
        two = model.end_to_end(given)
        joint = model(given)
    assert torch.allclose(joint, (one + two) / 2, atol=1e-6)
    assert not torch.allclose(one, two)


def test_size_limits():
    """At most 40 k multiply-adds per PAN pixel for four bands, at most 1 M parameters, ensemble under 10 %."""
    from torch.utils.flop_counter import FlopCounterMode

    model = Fose(Denoiser(), EndToEnd())
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(inputs(4, 64))
    assert counter.get_total_flops() / 2 / 64**2 <= 40_000
    total = sum(p.numel() for p in model.parameters())
    ensemble = sum(p.numel() for block in (model.exchange, model.output) for p in block.parameters())
    assert total <= 1_000_000
    assert ensemble < 0.1 * total
