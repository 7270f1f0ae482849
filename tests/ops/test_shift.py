"""The shift estimate on made-up textures: sign, accuracy, and what must drop out."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from fose.errors import InputError
from fose.ops.shift import LIMIT, SEARCH, UNKNOWN, Shift, combine, estimate_shift, significant

Array = NDArray[np.float64]
MARGIN = 16


def texture(size: int, rng: np.random.Generator) -> Array:
    """Complex spectrum of a periodic (size, size) image whose amplitude falls as 1/f, as in natural images."""
    frequency = np.fft.fftfreq(size)
    distance = np.maximum(np.hypot(frequency[:, None], frequency[None]), 1 / size)
    return np.fft.fft2(rng.standard_normal((size, size))) / distance


def pair(
    shift: tuple[float, float], ratio: int = 4, bands: int = 4, size: int = 256, noise: float = 0.01, seed: int = 0
) -> tuple[Array, Array]:
    """PAN (size, size) and MS on its grid, moved down and right by `shift`, blurred, decimated and interpolated."""
    rng = np.random.default_rng(seed)
    full = ratio * math.ceil((size + 2 * MARGIN) / ratio)
    common = texture(full, rng)
    spectra = np.stack([common * (1 + k / bands) + 0.3 * texture(full, rng) for k in range(bands)])
    rows, cols = np.fft.fftfreq(full)[:, None], np.fft.fftfreq(full)[None]
    ramp = np.exp(-2j * np.pi * (rows * shift[0] + cols * shift[1]))
    mtf = 0.3 ** ((2 * ratio) ** 2 * (rows**2 + cols**2))
    low = np.fft.ifft2(spectra * mtf * ramp).real[:, ::ratio, ::ratio]
    low = low + noise * low.std() * rng.standard_normal(low.shape)
    zeros = np.zeros((bands, full, full))
    zeros[:, ::ratio, ::ratio] = low
    inside = (np.abs(rows) < 0.5 / ratio) & (np.abs(cols) < 0.5 / ratio)
    ms_up = np.fft.ifft2(np.fft.fft2(zeros) * inside * ratio**2).real
    pan = np.fft.ifft2(spectra.mean(axis=0)).real
    pan = pan + noise * pan.std() * rng.standard_normal(pan.shape)
    crop = slice(MARGIN, MARGIN + size)
    scale = 100 / pan.std()
    return pan[crop, crop] * scale + 500, ms_up[:, crop, crop] * scale + 300


def error(found: Shift, truth: tuple[float, float]) -> float:
    assert found.known
    return max(abs(found.rows - truth[0]), abs(found.cols - truth[1]))


def test_sign_ms_further_down_and_right_is_positive() -> None:
    y, x = np.mgrid[:128, :128].astype(float)

    def scene(rows: float, cols: float) -> Array:
        """Three blobs of unequal place and size, moved down and right."""
        places = ((40, 50, 9, 1.0), (80, 70, 6, 0.7), (60, 90, 12, 0.5))
        return sum(
            (a * np.exp(-((y - r - rows) ** 2 + (x - c - cols) ** 2) / (2 * s * s)) for r, c, s, a in places),
            np.zeros((128, 128)),
        )

    found = estimate_shift(scene(0, 0), scene(1.3, 0.4)[None], 2)
    assert error(found, (1.3, 0.4)) < 0.02


@pytest.mark.parametrize("ratio", [2, 3, 4, 5])
@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.3, -0.7), (-1.5, 1.1), (3.6, -2.9)])
def test_finds_simulated_shift(ratio: int, shift: tuple[float, float]) -> None:
    found = estimate_shift(*pair(shift, ratio), ratio)
    assert error(found, shift) < 0.1
    assert 0 < found.rows_se < 0.3
    assert 0 < found.cols_se < 0.3


def test_exchanging_axes_exchanges_the_shift() -> None:
    pan, ms_up = pair((0.8, -0.3), size=256)
    found = estimate_shift(pan[:192], ms_up[:, :192], 4)
    turned = estimate_shift(pan[:192].T, ms_up[:, :192].swapaxes(1, 2), 4)
    assert (turned.cols, turned.rows) == pytest.approx((found.rows, found.cols), abs=0.02)


@pytest.mark.parametrize("bands", [1, 3, 16])
def test_any_number_of_bands(bands: int) -> None:
    assert error(estimate_shift(*pair((0.6, -0.4), bands=bands), 4), (0.6, -0.4)) < 0.1


def test_repeated_constant_rescaled_and_reordered_bands_change_nothing() -> None:
    pan, ms_up = pair((0.6, -0.4))
    plain = estimate_shift(pan, ms_up, 4)
    other = np.concatenate([3 * ms_up[::-1] - 50, ms_up[:2], np.full((1, *pan.shape), 7.0)])
    found = estimate_shift(0.01 * pan, other, 4)
    assert (found.rows, found.cols) == pytest.approx((plain.rows, plain.cols), abs=2e-3)


def test_inverted_contrast_is_no_obstacle() -> None:
    pan, ms_up = pair((0.6, -0.4))
    assert error(estimate_shift(pan, -ms_up, 4), (0.6, -0.4)) < 0.1


def test_eight_bits_suffice() -> None:
    pan, ms_up = pair((0.6, -0.4))
    pan8, ms8 = (np.clip(image / 8, 0, 255).astype(np.uint8) for image in (pan, ms_up))
    assert error(estimate_shift(pan8, ms8, 4), (0.6, -0.4)) < 0.1


def test_noise_stays_within_standard_errors() -> None:
    for seed in range(5):
        found = estimate_shift(*pair((0.6, -0.4), noise=0.2, seed=seed), 4)
        assert abs(found.rows - 0.6) < 3 * found.rows_se
        assert abs(found.cols + 0.4) < 3 * found.cols_se


def test_missing_pixels_widen_the_error_and_then_end_it() -> None:
    pan, ms_up = pair((0.6, -0.4))
    whole = estimate_shift(pan, ms_up, 4)
    for share, known in ((0.25, True), (0.5, False)):
        valid = np.ones(pan.shape, bool)
        valid[: int(share * len(pan))] = False
        edge = int(share * len(pan))
        filled = [np.where(valid, image, image[..., edge : edge + 1, :]) for image in (pan, ms_up)]
        found = estimate_shift(*filled, 4, valid)
        assert found.known == known
        if known:
            assert error(found, (0.6, -0.4)) < 3 * found.rows_se
            assert found.rows_se > whole.rows_se


@pytest.mark.parametrize("size", [8, 20, 31, 64, 256])
def test_windows_that_cannot_tell_are_unknown(size: int) -> None:
    rng = np.random.default_rng(3)
    noise = rng.standard_normal((5, size, size))
    flat = np.full((4, size, size), 0.1)
    assert estimate_shift(noise[0], noise[1:], 4) == UNKNOWN
    assert estimate_shift(noise[0], flat, 4) == UNKNOWN
    assert estimate_shift(flat[0], noise[1:], 4) == UNKNOWN
    assert estimate_shift(flat[0], flat, 4) == UNKNOWN
    assert estimate_shift(np.full((size, size), np.nan), noise[1:], 4) == UNKNOWN


def test_unrelated_scenes_are_unknown() -> None:
    assert estimate_shift(pair((0, 0), seed=1)[0], pair((0, 0), seed=2)[1], 4) == UNKNOWN


def test_shift_beyond_the_search_range_is_not_invented() -> None:
    found = estimate_shift(*pair((SEARCH + 4.0, 0.0)), 4)
    assert found == UNKNOWN


def test_deterministic() -> None:
    images = pair((0.6, -0.4))
    assert estimate_shift(*images, 4) == estimate_shift(*images, 4)


def test_refuses_what_does_not_fit() -> None:
    pan, ms_up = pair((0, 0), size=64)
    with pytest.raises(InputError, match="on one grid"):
        estimate_shift(pan, ms_up[:, 1:], 4)
    with pytest.raises(InputError, match="on one grid"):
        estimate_shift(pan, ms_up[0], 4)
    with pytest.raises(InputError, match="ratio"):
        estimate_shift(pan, ms_up, 0.5)
    with pytest.raises(InputError, match="ratio"):
        estimate_shift(pan, ms_up, math.nan)
    with pytest.raises(InputError, match="valid"):
        estimate_shift(pan, ms_up, 4, np.ones((3, 3), bool))


def test_combine_ignores_unknown_windows_and_outliers() -> None:
    rng = np.random.default_rng(0)
    good = [Shift(0.5 + e, -0.25 + f, 0.05, 0.08) for e, f in 0.05 * rng.standard_normal((16, 2))]
    clouds = [Shift(3.0, -2.0, 0.05, 0.05)] * 4
    found = combine([*good, *clouds, UNKNOWN, UNKNOWN])
    assert error(found, (0.5, -0.25)) < 0.05
    assert found.rows_se < 0.05
    assert significant(found)


def test_combine_of_one_window_is_that_window() -> None:
    one = Shift(0.5, -0.25, 0.05, 0.08)
    found = combine([one])
    assert (found.rows, found.cols, found.rows_se, found.cols_se) == pytest.approx((0.5, -0.25, 0.05, 0.08))


def test_combine_of_nothing_is_unknown() -> None:
    assert combine([]) == UNKNOWN
    assert combine([UNKNOWN, UNKNOWN]) == UNKNOWN


def test_windows_that_disagree_are_not_significant() -> None:
    assert not significant(combine([Shift(e, -e, 0.05, 0.05) for e in (-1.0, -0.4, 0.1, 0.5, 1.2)]))


@pytest.mark.parametrize(
    ("shift", "expected"),
    [
        (Shift(0.3, 0.0, 0.05, 0.05), True),
        (Shift(0.0, -0.3, 0.05, 0.05), True),
        (Shift(0.09, 0.0, 0.001, 0.001), False),
        (Shift(0.3, 0.0, 0.11, 0.11), False),
        (Shift(LIMIT + 0.1, 0.0, 0.05, 0.05), False),
        (UNKNOWN, False),
    ],
)
def test_significant(shift: Shift, expected: bool) -> None:
    assert significant(shift) is expected
