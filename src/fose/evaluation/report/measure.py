"""Figures of a report: quality metrics, band statistics and histograms, over the windows that are measured."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fose import metrics
from fose.errors import InputError
from fose.evaluation.report.areas import measured
from fose.evaluation.report.layers import MS, PAN, TARGET, Layers, Pixels, Valid
from fose.ops import reference
from fose.sharpener import Array

Floats = NDArray[np.float64]

SAMPLES = 2**18  # pixels, at most, that statistics are taken from
BINS = 64
HISTOGRAM_PERCENTILES = (0.1, 99.9)
FILTER_REACH = 20  # pixels around a missing one that the reference filters of 41 taps touch


@dataclass(frozen=True)
class Metric:
    """A column of the table. better: "lower" or "higher"."""

    name: str
    title: str
    better: str
    digits: int


WITH_TARGET = (
    Metric("SAM", "spectral angle to the target, degrees", "lower", 3),
    Metric("ERGAS", "relative global error against the target", "lower", 3),
    Metric("Q2n", "hypercomplex quality index against the target", "higher", 4),
    Metric("Q_avg", "quality index in sliding windows, mean over bands", "higher", 4),
    Metric("SCC", "spatial correlation of gradients with the target's", "higher", 4),
)
WITHOUT_TARGET = (
    Metric("D_λ", "spectral distortion, relations between bands, against MS", "lower", 4),
    Metric("D_λ,K", "Khan's spectral distortion, blurred result against MS", "lower", 4),
    Metric("D_s", "spatial distortion, relation to PAN", "lower", 4),
    Metric("HQNR", "hybrid quality without reference, (1 − D_λ,K)(1 − D_s)", "higher", 4),
)


@dataclass(frozen=True)
class Score:
    """A metric over the measured windows that have it; deviation (N - 1) is None for one window."""

    mean: float
    deviation: float | None


@dataclass(frozen=True)
class Figures:
    """Everything measured. Arrays are by layer key: means and deviations (C,), histogram shares (C, BINS)."""

    windows: int
    window_shape: tuple[int, int]
    share: float  # of the grid's pixels
    sampled: int  # pixels behind means, deviations and histograms
    columns: tuple[Metric, ...]
    scores: dict[str, dict[str, Score]]  # by layer key and metric name
    reasons: tuple[str, ...]  # why a score is missing
    means: dict[str, Floats]
    deviations: dict[str, Floats]
    edges: Floats  # (C, BINS + 1), DN
    histograms: dict[str, Floats]


def figures(layers: Layers) -> Figures:
    """Measure every result, and MS interpolated as the yardstick, window by window."""
    windows = measured(layers.shape)
    columns = WITH_TARGET if layers.target else WITHOUT_TARGET
    rows = [MS, *layers.sharps]
    found: dict[str, dict[str, list[float]]] = {key: {metric.name: [] for metric in columns} for key in rows}
    reasons: dict[str, None] = {}
    samples: list[dict[str, Array]] = []
    for window in windows:
        pixels, valid = layers.read(window)
        samples.append(_sample(pixels, valid, SAMPLES // len(windows)))
        score = _with_target(layers, pixels, valid) if layers.target else _without_target(layers, pixels, valid)
        for key in rows:
            for metric in columns:
                try:
                    found[key][metric.name].append(score(key, metric.name))
                except InputError as error:
                    reasons[f"{metric.name}: {error}"] = None
    joint = {key: np.concatenate([sample[key] for sample in samples], axis=1) for key in [MS, *layers.placed]}
    edges = _edges(joint)
    return Figures(
        windows=len(windows),
        window_shape=windows[0].shape,
        share=sum(w.shape[0] * w.shape[1] for w in windows) / (layers.shape[0] * layers.shape[1]),
        sampled=joint[MS].shape[1],
        columns=columns,
        scores={key: {name: _score(values) for name, values in found[key].items() if values} for key in rows},
        reasons=tuple(reasons),
        means={key: _reduce(np.mean, values) for key, values in joint.items()},
        deviations={key: _reduce(np.std, values) for key, values in joint.items()},
        edges=edges,
        histograms={key: _histograms(values, edges) for key, values in joint.items()},
    )


def _score(values: list[float]) -> Score:
    return Score(float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None)


Scorer = Callable[[str, str], float]


def _with_target(layers: Layers, pixels: Pixels, valid: Valid) -> Scorer:
    target, ratio = pixels[TARGET], layers.scene.ratio
    compute: dict[str, Callable[[Array], float]] = {
        "SAM": lambda image: metrics.sam(target, image, valid),
        "ERGAS": lambda image: metrics.ergas(target, image, ratio, valid),
        "Q2n": lambda image: metrics.q2n(target, image, valid=valid),
        "Q_avg": lambda image: metrics.q_avg(target, image, valid=valid),
        "SCC": lambda image: metrics.scc(target, image, valid),
    }

    def score(key: str, name: str) -> float:
        return _finite(compute[name](pixels[key]))

    return score


def _without_target(layers: Layers, pixels: Pixels, valid: Valid) -> Scorer:
    from scipy import ndimage

    ratio, gains = round(layers.scene.ratio), layers.scene.gains
    pan = pixels[PAN][0]
    inner = valid if valid.all() else ndimage.minimum_filter(valid, 2 * FILTER_REACH + 1, mode="nearest")

    def check_ratio() -> None:
        if abs(layers.scene.ratio - ratio) > 0.01 * ratio:
            raise InputError(f"expected a ratio of 2, 4, 8..., found {layers.scene.ratio:g}")

    @cache
    def pan_low() -> Array:
        return reference.interpolate23(reference.imresize(pan, 1 / ratio), ratio)

    @cache
    def spectral(key: str) -> float:
        check_ratio()
        return metrics.d_lambda_k(pixels[MS], reference.mtf_filter(pixels[key], gains, ratio), inner)

    @cache
    def spatial(key: str) -> float:
        check_ratio()
        return metrics.d_s(pixels[key], pixels[MS], pan, pan_low(), inner)

    compute: dict[str, Callable[[str], float]] = {
        "D_λ": lambda key: metrics.d_lambda(pixels[key], pixels[MS], valid),
        "D_λ,K": spectral,
        "D_s": spatial,
        "HQNR": lambda key: (1 - spectral(key)) * (1 - spatial(key)),
    }

    def score(key: str, name: str) -> float:
        return _finite(compute[name](key))

    return score


def _finite(value: float) -> float:
    if not np.isfinite(value):
        raise InputError(f"has no finite value here ({value:g}): a band is constant or without signal")
    return value


def _sample(pixels: Pixels, valid: Valid, most: int) -> dict[str, Array]:
    """Evenly taken valid pixels of every layer but PAN, (C, n)."""
    step = max(1, -(-int(valid.sum()) // most))
    return {key: image[:, valid][:, ::step] for key, image in pixels.items() if key != PAN}


def _reduce(function: Any, values: Array) -> Floats:
    """A statistic of each band; NaN where there is no pixel."""
    bands = len(values)
    return np.asarray(function(values, axis=1, dtype=np.float64)) if values.size else np.full(bands, np.nan)


def _edges(joint: dict[str, Array]) -> Floats:
    """Common bins for each band: joint percentiles of all layers."""
    bands = len(joint[MS])
    edges = np.empty((bands, BINS + 1))
    for band in range(bands):
        values = np.concatenate([layer[band] for layer in joint.values()])
        low, high = np.percentile(values, HISTOGRAM_PERCENTILES) if values.size else (0.0, 1.0)
        edges[band] = np.linspace(low, high if high > low else low + 1, BINS + 1)
    return edges


def _histograms(values: Array, edges: Floats) -> Floats:
    """Share of pixels in each bin; what lies beyond the bins is not counted."""
    counts = [np.histogram(band, own)[0] for band, own in zip(values, edges, strict=True)]
    return np.asarray(np.stack(counts) / max(values.shape[1], 1))
