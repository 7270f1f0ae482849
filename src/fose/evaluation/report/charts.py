"""Charts of a report as inline SVG, coloured by the page's style sheet so that they follow light and dark."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from fose.evaluation.report.measure import Figures, Floats

SERIES = 8  # different colours in the style sheet


@dataclass(frozen=True)
class Frame:
    """A plot's size and margins in SVG units, and the data ranges it shows."""

    width: float
    height: float
    x: tuple[float, float]
    y: tuple[float, float]
    left: float = 52
    right: float = 14
    top: float = 10
    bottom: float = 42

    def at_x(self, value: float) -> float:
        """Horizontal place of a value."""
        low, high = self.x
        return self.left + (value - low) / (high - low) * (self.width - self.left - self.right)

    def at_y(self, value: float) -> float:
        """Vertical place of a value."""
        low, high = self.y
        return self.height - self.bottom - (value - low) / (high - low) * (self.height - self.top - self.bottom)


def spectra(figures: Figures, keys: Sequence[str], bands: Sequence[str], wavelengths: Sequence[float | None]) -> str:
    """Mean of each band, with bars of one standard deviation, one line per layer, over wavelength where known."""
    known = all(wavelength is not None for wavelength in wavelengths) and len(set(wavelengths)) == len(wavelengths)
    places = [float(w or 0) for w in wavelengths] if known else [float(i) for i in range(1, len(bands) + 1)]
    order = sorted(range(len(bands)), key=places.__getitem__)
    low, high = min(places), max(places)
    pad = (high - low) * 0.08 or 1.0
    tops = [figures.means[key] + figures.deviations[key] for key in keys]
    bottoms = [figures.means[key] - figures.deviations[key] for key in keys]
    if not np.isfinite(np.concatenate(tops)).any():
        return _nothing()
    span = _padded(float(np.nanmin(np.concatenate(bottoms))), float(np.nanmax(np.concatenate(tops))))
    frame = Frame(460, 260, (low - pad, high + pad), span)
    parts = [_y_axis(frame, "DN")]
    labels = [(places[band], f"{bands[band]} {places[band]:g}" if known else bands[band]) for band in order]
    parts.append(_x_labels(frame, labels, "wavelength, nm" if known else "band"))
    for index, key in enumerate(keys):
        dodge = (index - (len(keys) - 1) / 2) * 4  # so that bars of alike layers stand side by side
        points = [(frame.at_x(places[band]) + dodge, band) for band in order]
        parts.append(_spectrum(frame, points, figures.means[key], figures.deviations[key], index))
    return _svg(frame, "Mean and standard deviation of each band, before and after", parts)


def _spectrum(frame: Frame, points: Sequence[tuple[float, int]], means: Floats, deviations: Floats, index: int) -> str:
    line = " ".join(f"{x:.1f},{frame.at_y(means[band]):.1f}" for x, band in points)
    marks = "".join(
        f'<path d="M{x:.1f} {frame.at_y(means[b] - deviations[b]):.1f}V{frame.at_y(means[b] + deviations[b]):.1f}"/>'
        f'<circle cx="{x:.1f}" cy="{frame.at_y(means[b]):.1f}" r="3"/>'
        for x, b in points
    )
    return f'<g class="series s{index % SERIES}"><polyline points="{line}"/>{marks}</g>'


def histogram(figures: Figures, keys: Sequence[str], band: int, name: str) -> str:
    """Share of pixels in common bins of one band, one line per layer."""
    edges = figures.edges[band]
    shares = [figures.histograms[key][band] for key in keys]
    top = max(float(np.max(share)) for share in shares)
    if not top > 0:
        return _nothing()
    frame = Frame(340, 190, (float(edges[0]), float(edges[-1])), (0.0, top * 1.05), left=12)
    ticks = [(value, f"{value:g}") for value in nice_ticks(*frame.x, 4)]
    parts = [_x_labels(frame, ticks, "DN")]
    centres = (edges[:-1] + edges[1:]) / 2
    for index, share in enumerate(shares):
        line = " ".join(f"{frame.at_x(x):.1f},{frame.at_y(y):.1f}" for x, y in zip(centres, share, strict=True))
        parts.append(f'<g class="series s{index % SERIES}"><polyline points="{line}"/></g>')
    return _svg(frame, f"Histogram of {name}, before and after", parts)


def legend(names: Sequence[str]) -> str:
    """Names with the stroke of their series, in order."""
    items = (
        f'<li><svg class="key" viewBox="0 0 28 10" aria-hidden="true"><g class="series s{index % SERIES}">'
        f'<path d="M1 5H27"/></g></svg>{escape(name)}</li>'
        for index, name in enumerate(names)
    )
    return f'<ul class="legend">{"".join(items)}</ul>'


def nice_ticks(low: float, high: float, count: int) -> list[float]:
    """About `count` round numbers, 1, 2 or 5 times a power of ten apart, inside [low, high]."""
    rough = (high - low) / count
    power = 10.0 ** np.floor(np.log10(rough))
    step = float(next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough))
    first = np.ceil(low / step - 1e-9)
    return [float(value) for value in np.arange(first, np.floor(high / step + 1e-9) + 1) * step + 0.0]


def _padded(low: float, high: float) -> tuple[float, float]:
    room = (high - low) * 0.06 or 1.0
    return low - room, high + room


def _y_axis(frame: Frame, title: str) -> str:
    lines = "".join(
        f'<path class="grid" d="M{frame.left} {frame.at_y(value):.1f}H{frame.width - frame.right}"/>'
        f'<text class="end" x="{frame.left - 6}" y="{frame.at_y(value) + 4:.1f}">{value:g}</text>'
        for value in nice_ticks(*frame.y, 5)
    )
    return f'{lines}<text class="end" x="{frame.left - 6}" y="{frame.top + 2:.1f}">{title}</text>'


def _x_labels(frame: Frame, labels: Sequence[tuple[float, str]], title: str) -> str:
    base = frame.height - frame.bottom
    clear = _clear_of(frame, labels)
    marks = "".join(
        f'<path class="grid" d="M{frame.at_x(value):.1f} {frame.top}V{base + 4}"/>'
        + (
            f'<text class="mid" x="{frame.at_x(value):.1f}" y="{base + 17}">{escape(text)}</text>'
            if clear(value)
            else ""
        )
        for value, text in labels
    )
    middle = (frame.left + frame.width - frame.right) / 2
    return f'{marks}<text class="mid" x="{middle:.1f}" y="{frame.height - 6}">{title}</text>'


def _clear_of(frame: Frame, labels: Sequence[tuple[float, str]]) -> Callable[[float], bool]:
    """Which labels, from left to right, do not run into the one before."""
    kept: set[float] = set()
    end = -1e9
    for value, text in labels:
        half = len(text) * 3.2
        if frame.at_x(value) - half > end + 4:
            kept.add(value)
            end = frame.at_x(value) + half
    return kept.__contains__


def _svg(frame: Frame, title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {frame.width:g} {frame.height:g}" role="img" aria-label="{escape(title)}">'
        f"{''.join(parts)}</svg>"
    )


def _nothing() -> str:
    return "<p>No pixel is valid in all images, so there is nothing to draw.</p>"
