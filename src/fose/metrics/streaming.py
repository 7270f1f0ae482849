"""Metrics of scenes that do not fit in memory: the same numbers, from full-width strips of rows.

Each function makes an `Accumulator`; give it the strips of every image from top to bottom, of any heights, and read
`result()`. Memory is that of one strip and of the at most 64 rows that windows share, whatever the scene's height::

    score = streaming.ergas(ratio=4)
    for reference, fused in strips:
        score.update(reference, fused)
    score.result()

The arguments of `update` are the images of the function of the same name in `fose.metrics`, then `valid` by keyword.
SSIM is missing because its decimation depends on the size of the whole image.
"""

from fose.metrics import hypercomplex, universal, with_reference, without_reference
from fose.metrics.strips import Accumulator

__all__ = ["Accumulator", "d_lambda", "d_s", "ergas", "psnr", "psnr_pooled", "q2n", "q_avg", "sam", "scc", "uqi"]


def sam() -> Accumulator:
    """Spectral angle in degrees of (reference, fused) strips; see `fose.metrics.sam`."""
    return Accumulator(with_reference.SAM)


def ergas(ratio: float) -> Accumulator:
    """ERGAS of (reference, fused) strips; see `fose.metrics.ergas`."""
    return Accumulator(with_reference.ergas_recipe(ratio))


def psnr(peak: float) -> Accumulator:
    """Band-mean PSNR in decibel of (reference, fused) strips; see `fose.metrics.psnr`."""
    return Accumulator(with_reference.psnr_recipe(peak, pooled=False))


def psnr_pooled(peak: float) -> Accumulator:
    """PSNR of all bands together in decibel, of (reference, fused) strips; see `fose.metrics.psnr_pooled`."""
    return Accumulator(with_reference.psnr_recipe(peak, pooled=True))


def scc() -> Accumulator:
    """Spatial correlation of (reference, fused) strips; see `fose.metrics.scc`."""
    return Accumulator(with_reference.SCC)


def q_avg() -> Accumulator:
    """Sliding-window quality index of (reference, fused) strips; see `fose.metrics.q_avg`."""
    return Accumulator(universal.Q_AVG)


def uqi() -> Accumulator:
    """Block quality index of (reference, fused) strips; see `fose.metrics.uqi`."""
    return Accumulator(universal.UQI)


def q2n(block: int = universal.BLOCK, shift: int = universal.BLOCK) -> Accumulator:
    """Hypercomplex quality index of (reference, fused) strips; see `fose.metrics.q2n`.

    One minus its result over (ms_up, fused_mtf) strips is `fose.metrics.d_lambda_k`.
    """
    return Accumulator(hypercomplex.recipe(block, shift))


def d_lambda() -> Accumulator:
    """Spectral distortion of QNR of (fused, ms_up) strips; see `fose.metrics.d_lambda`."""
    return Accumulator(without_reference.D_LAMBDA)


def d_s() -> Accumulator:
    """Spatial distortion of QNR and HQNR of (fused, ms_up, pan, pan_low) strips; see `fose.metrics.d_s`."""
    return Accumulator(without_reference.D_S)
