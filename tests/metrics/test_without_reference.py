"""Laws of the metrics without a reference, on prepared arrays and with the reference operators."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fose import metrics
from fose.errors import InputError

Pair = Callable[[int, int, int], tuple[Any, Any]]


def block_uqi(x: Any, y: Any) -> float:
    return metrics.uqi(x[None], y[None])


def test_d_lambda_follows_its_definition(pair: Pair) -> None:
    fused, ms_up = pair(3, 64, 32)
    pairs = [(0, 1), (0, 2), (1, 2)]
    expected = [abs(block_uqi(fused[i], fused[j]) - block_uqi(ms_up[i], ms_up[j])) for i, j in pairs]
    assert metrics.d_lambda(fused, ms_up) == pytest.approx(np.mean(expected), rel=1e-10)


def test_d_s_follows_its_definition(pair: Pair) -> None:
    fused, ms_up = pair(3, 64, 32)
    pan, pan_low = fused.mean(axis=0), ms_up.mean(axis=0)
    expected = [abs(block_uqi(f, pan) - block_uqi(m, pan_low)) for f, m in zip(fused, ms_up, strict=True)]
    assert metrics.d_s(fused, ms_up, pan, pan_low) == pytest.approx(np.mean(expected), rel=1e-10)


def test_an_image_is_undistorted_against_itself(pair: Pair) -> None:
    image, _ = pair(4, 64, 64)
    pan = image.mean(axis=0)
    assert metrics.d_lambda(image, image) == 0
    assert metrics.d_s(image, image, pan, pan) == 0
    assert metrics.d_lambda_k(image, image) == pytest.approx(0, abs=1e-12)
    assert metrics.d_lambda_k_decimated(image, image) == pytest.approx(0, abs=1e-12)


def test_paper_forms_measure_ms_on_its_own_grid(pair: Pair) -> None:
    ms, _ = pair(3, 16, 24)
    fused = np.kron(ms, np.ones((1, 4, 4)))  # every 32 x 32 block repeats the pixels of one 8 x 8 block
    pan = ms.mean(axis=0)
    unbiased = 1e-2  # N - 1 differs between 64 pixels and 1024
    assert metrics.d_lambda_paper(fused, ms) == pytest.approx(0, abs=unbiased)
    assert metrics.d_s_paper(fused, ms, np.kron(pan, np.ones((4, 4))), pan) == pytest.approx(0, abs=unbiased)


def test_blocks_with_missing_pixels_are_skipped(pair: Pair) -> None:
    fused, ms_up = pair(3, 32, 64)
    pan, pan_low = fused.mean(axis=0), ms_up.mean(axis=0)
    valid = np.ones((32, 64), dtype=bool)
    valid[31, 63] = False
    images = fused, ms_up, pan, pan_low
    left = [image[..., :32] for image in images]
    assert metrics.d_s(*images, valid=valid) == pytest.approx(metrics.d_s(*left))
    assert metrics.d_lambda(fused, ms_up, valid=valid) == pytest.approx(metrics.d_lambda(*left[:2]))
    assert metrics.d_lambda_k(ms_up, fused, valid=valid) == pytest.approx(metrics.d_lambda_k(left[1], left[0]))


def test_refusals_say_what_to_do(pair: Pair) -> None:
    fused, ms_up = pair(2, 64, 64)
    with pytest.raises(InputError, match="at least 2 bands, found 1"):
        metrics.d_lambda(fused[:1], ms_up[:1])
    with pytest.raises(InputError, match="height: expected a multiple of 32 pixels, found 50; crop it to 32"):
        metrics.d_lambda(fused[:, :50], ms_up[:, :50])
    with pytest.raises(InputError, match="ms: expected the 64 x 64 pixels of fused divided by 2, 4, 8 or 16"):
        metrics.d_lambda_paper(fused, ms_up[:, :16, :15])
    with pytest.raises(InputError, match="ms: expected the 2 bands of fused, found 1"):
        metrics.d_lambda_paper(fused, ms_up[:1, :16, :16])
    with pytest.raises(InputError, match=r"pan: expected a non-empty \(H, W\) array"):
        metrics.d_s(fused, ms_up, fused[:1], fused[0])


def test_indices_join_two_distortions(pair: Pair) -> None:
    operators = pytest.importorskip("fose.ops.reference")
    ms, _ = pair(4, 16, 24)
    ms_up = operators.interpolate23(ms, 4)
    pan = pair(1, 64, 96)[1][0]
    fused = ms_up + (pan - pan.mean()) / 4
    gains = [0.3] * 4
    pan_ms_grid = operators.imresize(pan, 1 / 4)
    pan_low = operators.interpolate23(pan_ms_grid, 4)
    hybrid, plain, paper = (
        metrics.hqnr(fused, ms_up, pan, gains, 4),
        metrics.qnr(fused, ms_up, pan, 4),
        metrics.qnr_paper(fused, ms, pan, 4),
    )
    assert hybrid.spatial == plain.spatial == metrics.d_s(fused, ms_up, pan, pan_low)
    assert hybrid.spectral == metrics.d_lambda_k(ms_up, operators.mtf_filter(fused, gains, 4))
    assert plain.spectral == metrics.d_lambda(fused, ms_up)
    assert paper == metrics.FullResolution(
        metrics.d_lambda_paper(fused, ms), metrics.d_s_paper(fused, ms, pan, pan_ms_grid)
    )
    assert hybrid.index == pytest.approx((1 - hybrid.spectral) * (1 - hybrid.spatial))


def test_full_resolution_indices_refuse_images_that_do_not_fit(pair: Pair) -> None:
    fused, ms_up = pair(2, 64, 64)
    with pytest.raises(InputError, match="pan: expected the 64 x 64 pixels of fused, found 32 x 64"):
        metrics.hqnr(fused, ms_up, fused[0, :32], [0.3, 0.3], 4)
    with pytest.raises(InputError, match="width: expected a multiple of 32 pixels, found 40"):
        metrics.qnr(fused[..., :40], ms_up[..., :40], fused[0, :, :40], 4)
