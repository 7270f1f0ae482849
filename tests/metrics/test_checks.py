"""Every refusal names what was expected, what was found and what to do."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fose import metrics
from fose.errors import FoseError, InputError

Pair = Callable[[int, int, int], tuple[Any, Any]]

METRICS = {
    "sam": metrics.sam,
    "ergas": lambda x, y: metrics.ergas(x, y, ratio=4),
    "psnr": lambda x, y: metrics.psnr(x, y, peak=1),
    "psnr_pooled": lambda x, y: metrics.psnr_pooled(x, y, peak=1),
    "scc": metrics.scc,
    "ssim": lambda x, y: metrics.ssim(x, y, peak=1),
    "q_avg": metrics.q_avg,
    "uqi": metrics.uqi,
    "q2n": metrics.q2n,
    "q2n_map": metrics.q2n_map,
    "d_lambda": metrics.d_lambda,
    "d_lambda_k": metrics.d_lambda_k,
}


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_images_that_cannot_be_compared_are_refused(pair: Pair, metric: Any) -> None:
    x, y = pair(2, 64, 64)
    refusals = {
        "found 64 x 32; crop or resample": (x, y[..., :32]),
        "expected the 2 bands of .*, found 1": (x, y[:1]),
        r"expected a non-empty \(C, H, W\) array, found shape \(64, 64\)": (x[0], y[0]),
        r"expected a non-empty .*\(2, 0, 64\)": (x[:, :0], y[:, :0]),
        "expected integers or floats, found complex128": (x, y.astype(complex)),
        "found NaN or infinity": (x, np.where(y == y.max(), np.nan, y)),
        "expected finite pixels": (np.where(x == x.max(), np.inf, x), y),
    }
    for message, images in refusals.items():
        with pytest.raises(InputError, match=message):
            metric(*images)


@pytest.mark.parametrize(
    ("name", "smallest"), [("scc", 3), ("ssim", 11), ("q_avg", 32), ("uqi", 32), ("q2n", 32), ("q2n_map", 32)]
)
def test_images_smaller_than_a_window_are_refused(pair: Pair, name: str, smallest: int) -> None:
    enough = pair(2, smallest, smallest)
    assert np.isfinite(METRICS[name](*enough)).all()
    for short in ([image[:, 1:] for image in enough], [image[..., 1:] for image in enough]):
        with pytest.raises(InputError, match=f"expected at least {smallest} pixels, found {smallest - 1}"):
            METRICS[name](*short)


def test_masks_and_parameters_are_checked(pair: Pair) -> None:
    x, y = pair(2, 32, 32)
    with pytest.raises(InputError, match=r"valid: expected booleans of shape \(32, 32\), found uint8"):
        metrics.sam(x, y, valid=np.ones((32, 32), dtype=np.uint8))
    with pytest.raises(InputError, match=r"valid: .*found bool of shape \(32, 31\)"):
        metrics.sam(x, y, valid=np.ones((32, 31), dtype=bool))
    with pytest.raises(InputError, match="ratio: expected a finite number above 0, found 0"):
        metrics.ergas(x, y, ratio=0)
    with pytest.raises(InputError, match="peak: expected a finite number above 0, found nan"):
        metrics.ssim(x, y, peak=np.nan)
    with pytest.raises(InputError, match="shift of 1 to block, found 32 and 33"):
        metrics.q2n(x, y, 32, 33)
    with pytest.raises(FoseError):
        metrics.q2n_map(x, y, 1, 1)
