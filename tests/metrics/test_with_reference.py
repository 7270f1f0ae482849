"""Laws of the metrics against a reference, and the value of every degenerate image."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from fose import metrics
from fose.errors import InputError

Pair = Callable[[int, int, int], tuple[Any, Any]]

IDEAL = {
    "sam": (metrics.sam, 0),
    "ergas": (lambda x, y: metrics.ergas(x, y, ratio=4), 0),
    "psnr": (lambda x, y: metrics.psnr(x, y, peak=2047), np.inf),
    "psnr_pooled": (lambda x, y: metrics.psnr_pooled(x, y, peak=2047), np.inf),
    "scc": (metrics.scc, 1),
    "ssim": (lambda x, y: metrics.ssim(x, y, peak=2047), 1),
    "q_avg": (metrics.q_avg, 1),
    "uqi": (metrics.uqi, 1),
    "q2n": (metrics.q2n, 1),
}


@pytest.mark.parametrize("name", IDEAL)
@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64])
def test_identical_images_give_the_ideal_value(pair: Pair, name: str, dtype: Any) -> None:
    metric, ideal = IDEAL[name]
    image = pair(3, 64, 96)[0].astype(dtype)
    assert metric(image, image) == pytest.approx(ideal, abs=3e-6 if name == "sam" else 1e-12)


@pytest.mark.parametrize("name", IDEAL)
def test_worse_images_score_worse(pair: Pair, name: str) -> None:
    metric, ideal = IDEAL[name]
    reference, fused = pair(4, 64, 64)
    worse = reference + 4 * (fused - reference)
    near, far = metric(reference, fused), metric(reference, worse)
    assert (near < far) if ideal == 0 else (near > far)


@pytest.mark.parametrize("name", IDEAL)
def test_the_order_of_bands_does_not_matter(pair: Pair, name: str) -> None:
    metric, _ = IDEAL[name]
    reference, fused = pair(4, 64, 64)
    order = [2, 0, 3, 1]
    tolerance = 5e-3 if name == "q2n" else 1e-12  # permuting the units of a quaternion is not a symmetry
    assert metric(reference[order], fused[order]) == pytest.approx(metric(reference, fused), rel=tolerance)


@pytest.mark.parametrize("name", IDEAL)
def test_a_turned_image_scores_the_same(pair: Pair, name: str) -> None:
    metric, _ = IDEAL[name]
    reference, fused = pair(2, 64, 96)
    turned = metric(np.rot90(reference, axes=(1, 2)), np.rot90(fused, axes=(1, 2)))
    assert turned == pytest.approx(metric(reference, fused), rel=1e-12)


def test_sam_is_the_angle_between_two_known_spectra() -> None:
    reference = np.broadcast_to(np.array([1.0, 0.0])[:, None, None], (2, 5, 7))
    fused = np.broadcast_to(np.array([1.0, np.sqrt(3)])[:, None, None], (2, 5, 7))
    assert metrics.sam(reference, fused) == pytest.approx(60)
    assert metrics.sam(reference, -reference) == pytest.approx(180)


def test_sam_drops_zero_pixels_and_refuses_an_image_of_them(pair: Pair) -> None:
    reference, fused = pair(3, 8, 8)
    fused[:, :4] = 0
    assert metrics.sam(reference, fused) == pytest.approx(metrics.sam(reference[:, 4:], fused[:, 4:]))
    with pytest.raises(InputError, match="non-zero in both"):
        metrics.sam(reference, np.zeros_like(fused))


def test_ergas_of_a_known_error() -> None:
    reference = np.full((2, 4, 4), 100.0)
    assert metrics.ergas(reference, reference + 10, ratio=4) == pytest.approx(2.5)
    reference[1] = 0
    assert metrics.ergas(reference, reference, ratio=4) == 0
    assert metrics.ergas(reference, reference + 1, ratio=4) == np.inf


def test_psnr_of_a_known_error() -> None:
    reference = np.zeros((2, 4, 4))
    fused = reference + np.array([10.0, 1.0])[:, None, None]
    assert metrics.psnr(reference, fused, peak=1000) == pytest.approx((40 + 60) / 2)
    assert metrics.psnr_pooled(reference, fused, peak=1000) == pytest.approx(10 * np.log10(1e6 / 50.5))
    fused[1] = 0
    assert metrics.psnr(reference, fused, peak=1000) == np.inf
    assert np.isfinite(metrics.psnr_pooled(reference, fused, peak=1000))


def test_scc_follows_its_definition(pair: Pair) -> None:
    gradients = []
    for image in pair(2, 20, 31):
        inside = image[:, 1:-1, 1:-1]
        across, down = (np.stack([ndimage.sobel(b, axis, mode="constant") for b in inside]) for axis in (0, 1))
        gradients.append(np.hypot(across, down))
    f, g = gradients
    expected = (f * g).sum() / np.sqrt((f**2).sum() * (g**2).sum())
    assert metrics.scc(*pair(2, 20, 31)) == pytest.approx(expected, rel=1e-12)


def test_scc_without_gradient_has_a_documented_value(pair: Pair) -> None:
    image, zero = pair(1, 16, 16)[0], np.zeros((1, 16, 16))
    assert metrics.scc(zero, zero) == 1
    assert metrics.scc(image, zero) == 0


@pytest.mark.parametrize(("side", "factor"), [(383, 1), (384, 2), (640, 3)])
def test_ssim_decimates_large_images(pair: Pair, side: int, factor: int) -> None:
    reference, fused = pair(1, side, side + 5)
    first = -((factor - 1) // 2)  # MATLAB's centre of a box of `factor` pixels
    small = []
    for image in (reference[0], fused[0]):
        padded = np.pad(image, factor, mode="symmetric")
        shifts = range(factor + first, 2 * factor + first)
        boxes = [padded[r : r + side, c : c + side + 5] for r in shifts for c in shifts]
        small.append((sum(boxes) / factor**2)[::factor, ::factor][None])
    assert metrics.ssim(reference, fused, 2047) == pytest.approx(metrics.ssim(*small, 2047), rel=1e-12)


def naive_quality(x: Any, y: Any) -> float:
    covariance = np.cov(x.ravel(), y.ravel(), ddof=0)
    mx, my = x.mean(), y.mean()
    return float(4 * covariance[0, 1] * mx * my / (np.trace(covariance) * (mx**2 + my**2)))


def test_q_avg_follows_its_definition(pair: Pair) -> None:
    reference, fused = pair(2, 34, 35)
    expected = np.mean(
        [
            naive_quality(reference[b, r : r + 32, c : c + 32], fused[b, r : r + 32, c : c + 32])
            for b in range(2)
            for r in range(3)
            for c in range(4)
        ]
    )
    assert metrics.q_avg(reference, fused) == pytest.approx(expected, rel=1e-10)


def test_uqi_follows_its_definition(pair: Pair) -> None:
    reference, fused = pair(2, 32, 64)
    expected = np.mean(
        [naive_quality(reference[b, :, c], fused[b, :, c]) for b in (0, 1) for c in (np.s_[:32], np.s_[32:])]
    )
    assert metrics.uqi(reference, fused) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("metric", [metrics.q_avg, metrics.uqi])
def test_flat_windows_compare_their_means(metric: Any) -> None:
    flat = np.full((1, 32, 32), 0.1)
    assert metric(flat, flat) == pytest.approx(1)
    assert metric(flat, 3 * flat) == pytest.approx(0.6)
    assert metric(0 * flat, flat) == 0
    assert metric(0 * flat, 0 * flat) == 1


@pytest.mark.parametrize("name", ["sam", "ergas", "psnr", "psnr_pooled", "scc", "q_avg", "uqi", "q2n"])
def test_what_missing_pixels_hold_does_not_matter(pair: Pair, name: str) -> None:
    metric, parameters = getattr(metrics, name), {"ergas": {"ratio": 4}}.get(name, {})
    parameters = {"peak": 2047} if name.startswith("psnr") else parameters
    reference, fused = pair(2, 96, 96)
    valid = np.ones((96, 96), dtype=bool)
    valid[10:13, 50] = False
    expected = metric(reference, fused, **parameters, valid=valid)
    fused[:, ~valid] = np.nan
    reference[:, ~valid] = 3e4
    assert metric(reference, fused, **parameters, valid=valid) == expected
    assert np.isfinite(expected)
    with pytest.raises(InputError, match="fused: expected finite"):
        metric(reference, fused, **parameters)


def test_pixel_metrics_skip_missing_pixels(pair: Pair) -> None:
    reference, fused = pair(3, 20, 20)
    valid = np.random.default_rng(1).random((20, 20)) < 0.7
    x, y = reference[:, None, valid], fused[:, None, valid]
    assert metrics.sam(reference, fused, valid=valid) == pytest.approx(metrics.sam(x, y))
    assert metrics.ergas(reference, fused, 4, valid=valid) == pytest.approx(metrics.ergas(x, y, 4))
    assert metrics.psnr(reference, fused, 2047, valid=valid) == pytest.approx(metrics.psnr(x, y, 2047))


def test_window_metrics_skip_windows_with_a_missing_pixel(pair: Pair) -> None:
    reference, fused = pair(2, 32, 96)
    valid = np.ones((32, 96), dtype=bool)
    valid[7, 40] = False
    blocks = metrics.q2n_map(reference, fused)[0]
    assert metrics.q2n(reference, fused, valid=valid) == pytest.approx((blocks[0] + blocks[2]) / 2)
    left, right = (metrics.q_avg(reference[..., part], fused[..., part]) for part in (np.s_[:40], np.s_[41:]))
    counts = 40 - 31, 55 - 31
    expected = (left * counts[0] + right * counts[1]) / sum(counts)
    assert metrics.q_avg(reference, fused, valid=valid) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["ergas", "psnr", "psnr_pooled", "q_avg", "uqi", "q2n", "sam"])
def test_an_image_without_valid_pixels_is_refused(pair: Pair, name: str) -> None:
    parameters = {"ergas": [4], "psnr": [2047], "psnr_pooled": [2047]}.get(name, [])
    with pytest.raises(InputError, match=r"expected (at least one window|a pixel)"):
        getattr(metrics, name)(*pair(2, 32, 32), *parameters, valid=np.zeros((32, 32), dtype=bool))
