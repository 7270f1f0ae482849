"""Every stored array against the numbers of the public MATLAB toolboxes, run in Octave."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fose import metrics

Array = NDArray[Any]

GAINS = {"wv2": [0.35] * 7 + [0.27], "ik": [0.26, 0.28, 0.29, 0.28], "ge1": [0.23] * 4}
PAIRWISE = {
    "Q2n": metrics.q2n,
    "Q2n_map": metrics.q2n_map,
    "Q2n_block32_shift16": lambda x, y: metrics.q2n(x, y, 32, 16),
    "Q2n_block8_shift8": lambda x, y: metrics.q2n(x, y, 8, 8),
    "Q_avg": metrics.q_avg,
    "SAM": metrics.sam,
    "ERGAS": lambda x, y: metrics.ergas(x, y, ratio=4),
    "ERGAS_ratio2": lambda x, y: metrics.ergas(x, y, ratio=2),
    "SCC": metrics.scc,
    "SSIM_bandmean_L2047": lambda x, y: metrics.ssim(x, y, peak=2047),
    "PSNR_bandmean_peak2047": lambda x, y: metrics.psnr(x, y, peak=2047),
    "PSNR_pooled_peak2047": lambda x, y: metrics.psnr_pooled(x, y, peak=2047),
}
EDGES = [
    "bands1",
    "bands2",
    "bands3",
    "bands6",
    "flat_block_both",
    "flat_block_gt",
    "frac_values",
    "gain_1p05",
    "identical",
    "negative_values",
    "noise20",
    "nonmult_50x70",
    "offset_plus_10",
    "unit_range",
    "zero_pixels_both",
    "zero_pixels_fused_only",
]


def load(folder: Path) -> tuple[dict[str, Any], dict[str, Array]]:
    reference = json.loads((folder / "reference.json").read_text())
    with np.load(folder / "inputs.npz") as stored:
        arrays = {name: np.moveaxis(array, 2, 0) if array.ndim == 3 else array for name, array in stored.items()}
    return reference, arrays


def candidate(arrays: dict[str, Array], name: str) -> Array:
    return arrays[{"lms_EXP": "lms", "gt_itself": "gt"}.get(name, f"cand_{name}")]


def close(expected: Any) -> Any:
    """The tolerance of every comparison; the absolute part is for values whose true value is 0."""
    return pytest.approx(np.inf if expected is None else np.asarray(expected), rel=1e-6, abs=1e-12)


def cut_and_clip(config: str, target: Array, fused: Array) -> tuple[Array, Array]:
    """The border cut and the threshold of a configuration, e.g. cut21_th1."""
    if config.startswith("cut"):
        border = int(config[3:5])
        inside = slice(border - 1, -border)
        target, fused = target[:, inside, inside], fused[:, inside, inside]
    return target, fused.clip(0, 2048) if config.endswith("th1") else fused


@pytest.mark.parametrize("case", ["wv2_rr", "ik_rr", "ge1_rr"])
def test_reduced_resolution_figures_match_the_toolbox(refvec: Path, case: str) -> None:
    reference, arrays = load(refvec / case)
    for name, configs in reference["candidate_metrics"].items():
        for config, expected in configs.items():
            target, fused = cut_and_clip(config, arrays["gt"], candidate(arrays, name))
            for metric, value in expected.items():
                assert PAIRWISE[metric](target, fused) == close(value), (name, config, metric)


@pytest.mark.parametrize("case", EDGES)
def test_edge_cases_match_the_toolbox(refvec: Path, case: str) -> None:
    reference, arrays = load(refvec / "edge_metrics")
    for metric, value in reference[case].items():
        found = PAIRWISE[metric](arrays[f"{case}__gt"], arrays[f"{case}__f"])
        slack = 2e-6 if case == "gain_1p05" and metric == "SAM" else 1e-12  # the arccosine's rounding near 0
        assert found == pytest.approx(np.asarray(value), rel=1e-6, abs=slack), metric


def test_every_edge_case_is_covered(refvec: Path) -> None:
    assert sorted(load(refvec / "edge_metrics")[0]) == sorted(EDGES)


@pytest.mark.parametrize("case", ["wv2_fr", "ik_fr", "ge1_fr"])
def test_full_resolution_figures_match_the_toolbox(refvec: Path, case: str) -> None:
    operators = pytest.importorskip("fose.ops.reference")
    reference, arrays = load(refvec / case)
    ms_up, ms, pan, gains = arrays["lms"], arrays["ms_lr"], arrays["pan"], GAINS[case.split("_")[0]]
    for name, expected in reference["candidate_metrics"].items():
        fused = candidate(arrays, name)
        clipped = fused.clip(0, 2048)
        found = {
            "QNR_th0": ("D_lambda", "QNR", metrics.qnr(fused, ms_up, pan, ratio=4)),
            "QNR_paper": ("D_lambda", "QNR", metrics.qnr_paper(fused, ms, pan, ratio=4)),
            "HQNR_th0": ("D_lambda_K", "HQNR", metrics.hqnr(fused, ms_up, pan, gains, ratio=4)),
            "HQNR_th1": ("D_lambda_K", "HQNR", metrics.hqnr(clipped, ms_up, pan, gains, ratio=4)),
        }
        for config, (spectral, index, scores) in found.items():
            values = {spectral: scores.spectral, "D_s": scores.spatial, index: scores.index}
            assert values == close_each(expected[config]), (name, config)
        low = operators.decimate(operators.mtf_filter(fused, gains, 4), 4)
        assert metrics.d_lambda_k_decimated(ms, low) == close(expected["toolbox_v1_4"]["D_lambda_K_decimated"])


def close_each(expected: dict[str, float]) -> Any:
    return pytest.approx(expected, rel=1e-6, abs=1e-12)
