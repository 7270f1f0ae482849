"""Quality metrics, with the numbers of the public benchmark toolboxes; docs/metrics.md defines each.

Functions measure arrays in memory, bands first; `streaming` measures whole scenes strip by strip.
"""

from fose.metrics import streaming
from fose.metrics.hypercomplex import q2n, q2n_map
from fose.metrics.universal import q_avg, uqi
from fose.metrics.with_reference import ergas, psnr, psnr_pooled, sam, scc, ssim
from fose.metrics.without_reference import (
    FullResolution,
    d_lambda,
    d_lambda_k,
    d_lambda_k_decimated,
    d_lambda_paper,
    d_s,
    d_s_paper,
    hqnr,
    qnr,
    qnr_paper,
)

__all__ = [
    "FullResolution",
    "d_lambda",
    "d_lambda_k",
    "d_lambda_k_decimated",
    "d_lambda_paper",
    "d_s",
    "d_s_paper",
    "ergas",
    "hqnr",
    "psnr",
    "psnr_pooled",
    "q2n",
    "q2n_map",
    "q_avg",
    "qnr",
    "qnr_paper",
    "sam",
    "scc",
    "ssim",
    "streaming",
    "uqi",
]
