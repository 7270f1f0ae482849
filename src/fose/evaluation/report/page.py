"""The page itself: every fact and figure as HTML, every text escaped, nothing loaded from anywhere."""

import json
from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from fose._version import __version__
from fose.evaluation.report import charts
from fose.evaluation.report.layers import MS, TARGET, Layers
from fose.evaluation.report.measure import Figures, Metric, Score
from fose.evaluation.report.pictures import GAMMA, PERCENTILES, RAMP, Gallery, ramp


def render(layers: Layers, gallery: Gallery, figures: Figures) -> str:
    """The HTML of a report. The same input gives the same page."""
    results = [layers.names[key] for key in layers.sharps]
    height, width = layers.shape
    heading = results[0] if len(results) == 1 else f"{len(results)} results compared"
    style, script = _asset("page.css"), _asset("page.js")
    return Template(_asset("page.html")).substitute(
        title=escape(f"{heading} – pansharpening report"),
        heading=escape(heading),
        lead=escape(_lead(layers, width, height)),
        version=escape(__version__),
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
        data=_data(gallery),
        error_scale=_error_scale(gallery),
        picture_note=escape(_picture_note(gallery)),
        quality=_quality(layers, figures),
        spectra=_spectra(layers, figures),
        histograms=_histograms(layers, figures),
        facts=_facts(layers),
    )


@cache
def _asset(name: str) -> str:
    return files("fose.evaluation.report").joinpath(name).read_text("utf-8")


def _hash(text: str) -> str:
    """What the page's security policy allows: exactly this script and this style."""
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


def _data(gallery: Gallery) -> str:
    """The viewer's data as JSON that cannot end its script element."""
    areas = [
        {"w": w // area.factor, "h": h // area.factor, "factor": area.factor, "row": row, "col": col}
        for area in gallery.areas
        for (h, w), (row, col) in [(area.window.shape, area.window.origin)]
    ]
    places = [_place(place.name, place.area, place.window, gallery) for place in gallery.places]
    data = {
        "areas": areas,
        "places": places,
        "layers": gallery.layers,
        "colours": [(colour.key, colour.name) for colour in gallery.colours],
        "images": gallery.images,
    }
    return json.dumps(data, ensure_ascii=True, separators=(",", ":")).replace("<", "\\u003c")


def _place(name: str, number: int, window: Any, gallery: Gallery) -> dict[str, Any]:
    area = gallery.areas[number]
    (top, left), (row, col), factor = area.window.origin, window.origin, area.factor
    height, width = window.shape
    return {
        "name": name,
        "area": number,
        "x": (col - left) // factor,
        "y": (row - top) // factor,
        "w": width // factor,
        "h": height // factor,
    }


def _lead(layers: Layers, width: int, height: int) -> str:
    facts = layers.facts
    sensor = "" if facts.sensor == "generic" else f", {facts.sensor}"
    return (
        f"{width} × {height} pixels, {len(facts.bands)} band{'s' * (len(facts.bands) > 1)}, "
        f"{facts.ratio:g} PAN pixels per MS pixel{sensor}"
    )


def _picture_note(gallery: Gallery) -> str:
    limits = "; ".join(f"{name} {low:.5g} to {high:.5g}" for name, (low, high) in gallery.limits.items())
    low, high = PERCENTILES
    note = (
        f"One stretch for all images, from their joint {low:g}th to {high:g}th percentile with gamma {GAMMA:g}, "
        f"missing pixels left out (DN: {limits}). Missing pixels are empty."
    )
    factor = gallery.areas[0].factor
    if factor > 1:
        note += (
            f" The whole scene is shown as means of {factor} × {factor} PAN pixels; details are at full resolution, "
            "chosen where PAN has much texture, far from one another."
        )
    quality = "kept without loss" if gallery.quality is None else f"compressed (WebP, quality {gallery.quality})"
    return f"{note} Pictures are {quality}, eight bits."


def _error_scale(gallery: Gallery) -> str:
    if gallery.error_limit is None:
        return ""
    colours = ramp(np.linspace(0, 1, 2 * len(RAMP)))
    stops = "".join(
        f'<stop offset="{index / (colours.shape[1] - 1):.3f}" stop-color="rgb({red} {green} {blue})"/>'
        for index, (red, green, blue) in enumerate(colours.T)
    )
    return (
        "Error: root mean square over bands of result minus target, DN"
        '<svg viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true"><defs>'
        f'<linearGradient id="ramp">{stops}</linearGradient></defs>'
        '<rect width="100" height="4" fill="url(#ramp)"/></svg>'
        f"<div><span>0</span><span>{gallery.error_limit:.4g} and more</span></div>"
    )


def _table(caption: str, head: str, body: str, kind: str = "") -> str:
    """A table that scrolls by itself where it is wider than the page; keyboards can scroll it too."""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}">'
        f'<table class="{kind}"><caption><span>{escape(caption)}</span></caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _quality(layers: Layers, figures: Figures) -> str:
    arrow = {"lower": ("↓", "lower is better"), "higher": ("↑", "higher is better")}
    head = '<th scope="col">Image</th>' + "".join(
        f'<th scope="col" class="number" title="{escape(metric.title)}">{escape(metric.name)} '
        f'<span role="img" aria-label="{arrow[metric.better][1]}">{arrow[metric.better][0]}</span></th>'
        for metric in figures.columns
    )
    body = "".join(
        f'<tr{" class=yardstick" if key == MS else ""}><th scope="row">{escape(layers.names[key])}</th>'
        + "".join(_score(figures, layers.sharps, key, metric) for metric in figures.columns)
        + "</tr>"
        for key in [MS, *layers.sharps]
    )
    kind = "Against the target" if layers.target else "Without reference, at full resolution"
    table = _table(f"{kind}; {_where(figures)}", head, body)
    notes = [
        "; ".join(f"{metric.name}: {metric.title}" for metric in figures.columns) + ".",
        *(
            []
            if layers.target
            else [
                "Without reference, MS interpolated scores well although it has no detail: "
                "compare results with one another."
            ]
        ),
        *(f"Not measured: {reason}." for reason in figures.reasons),
    ]
    return table + "".join(f'<p class="note">{escape(note)}</p>' for note in notes)


def _where(figures: Figures) -> str:
    height, width = figures.window_shape
    if figures.windows == 1:
        return f"measured on {width} × {height} pixels, {figures.share:.1%} of the scene"
    return (
        f"mean ± standard deviation over {figures.windows} windows of {width} × {height} pixels spread evenly, "
        f"{figures.share:.1%} of the scene"
    )


def _score(figures: Figures, sharps: Sequence[str], key: str, metric: Metric) -> str:
    score = figures.scores[key].get(metric.name)
    if score is None:
        return '<td class="number"><span aria-label="not measured">–</span></td>'
    rivals = [figures.scores[name][metric.name].mean for name in sharps if metric.name in figures.scores[name]]
    best = len(rivals) > 1 and key in sharps and score.mean == (min if metric.better == "lower" else max)(rivals)
    text = _number(score, metric.digits)
    return f'<td class="number">{f"<strong class=best>{text}</strong>" if best else text}</td>'


def _number(score: Score, digits: int) -> str:
    spread = "" if score.deviation is None else f" <small>± {score.deviation:.{digits}f}</small>"
    return f"{score.mean:.{digits}f}{spread}"


def _compared(layers: Layers) -> list[str]:
    return [MS, *layers.sharps, *([TARGET] if layers.target else [])]


def _spectra(layers: Layers, figures: Figures) -> str:
    keys, bands = _compared(layers), layers.facts.bands
    names = [band["name"] for band in bands]
    chart = charts.spectra(figures, keys, names, [band["wavelength_nm"] for band in bands])
    head = '<th scope="col">Image</th>' + "".join(f'<th scope="col" class="number">{escape(n)}</th>' for n in names)
    body = "".join(
        f'<tr><th scope="row">{escape(layers.names[key])}</th>'
        + "".join(
            f'<td class="number">{_dn(mean)} <small>± {_dn(deviation)}</small></td>'
            for mean, deviation in zip(figures.means[key], figures.deviations[key], strict=True)
        )
        + "</tr>"
        for key in keys
    )
    table = _table("Mean ± standard deviation of each band, DN", head, body)
    return (
        f"{charts.legend([layers.names[key] for key in keys])}{chart}"
        f'<p class="note">Mean and one standard deviation of each band over {figures.sampled} pixels that are valid '
        "in all images. A faithful result keeps the means; detail widens the deviations.</p>"
        f"<details><summary>Spectra as a table</summary>{table}</details>"
    )


def _dn(value: float) -> str:
    return f"{value:.5g}" if np.isfinite(value) else "–"


def _histograms(layers: Layers, figures: Figures) -> str:
    keys, bands = _compared(layers), layers.facts.bands
    plots = "".join(
        f"<figure><figcaption>{escape(band['name'])}</figcaption>"
        f"{charts.histogram(figures, keys, index, band['name'])}</figure>"
        for index, band in enumerate(bands)
    )
    return (
        f'{charts.legend([layers.names[key] for key in keys])}<div class="charts">{plots}</div>'
        '<p class="note">Share of pixels in common bins, from the 0.1th to the 99.9th percentile of all images.</p>'
    )


def _facts(layers: Layers) -> str:
    facts = layers.facts
    rows, cols = facts.phase
    pairs = {
        "PAN": f"{facts.pan}, {facts.pan_dtype}, missing: {facts.missing['pan'] or 'none declared'}",
        "MS": f"{facts.ms}, {facts.ms_dtype}, missing: {facts.missing['ms'] or 'none declared'}",
        "Ratio": f"{facts.ratio:g} PAN pixels per MS pixel",
        "Phase": f"the MS grid starts {rows:g} rows and {cols:g} columns (PAN pixels) into the output",
        "Overlap": f"{facts.overlap:.1%} of PAN",
        "Registration": facts.registration_summary,
        "Sensor": f"{facts.sensor} ({facts.sensor_evidence})",
    }
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in pairs.items())
    notes = "".join(f'<p class="note">{escape(note)}.</p>' for note in (*facts.notes, *layers.notes))
    return f"<dl>{items}</dl>{notes}<h3>Bands</h3>{_bands(layers)}<h3>Provenance</h3>{_provenance(layers)}"


def _bands(layers: Layers) -> str:
    head = "".join(
        f'<th scope="col"{" class=number" if number else ""}>{name}</th>'
        for name, number in (("Band", False), ("Name in file", False), ("Wavelength, nm", True), ("MTF gain", True))
    )
    body = "".join(
        f'<tr><th scope="row">{index} {escape(band["name"])}</th><td>{escape(band["description"] or "–")}</td>'
        f'<td class="number">{"–" if band["wavelength_nm"] is None else format(band["wavelength_nm"], "g")}</td>'
        f'<td class="number">{band["mtf_gain"]:.2f}</td></tr>'
        for index, band in enumerate(layers.facts.bands, start=1)
    )
    return _table("MS bands as recognised", head, body)


def _spoken(tag: str) -> str:
    name = tag.removeprefix("FOSE_")
    return name if name in ("PAN", "MS") else name.capitalize()


def _provenance(layers: Layers) -> str:
    """What each result says about its making: its FOSE_* tags."""
    parts = []
    for key in layers.sharps:
        raster = layers.placed[key].raster
        tags = {name: text for name, text in sorted(raster.info.tags.items()) if name.startswith("FOSE_")}
        file = f"<dt>File</dt><dd>{escape(Path(raster.names[0]).name)}, {escape(str(raster.info.dtype))}</dd>"
        rows = "".join(f"<dt>{escape(_spoken(name))}</dt><dd>{escape(text)}</dd>" for name, text in tags.items())
        told = rows or "<dt>Made by</dt><dd>not told: the file has no FOSE_ tags</dd>"
        title = f"<h4>{escape(layers.names[key])}</h4>" if len(layers.sharps) > 1 else ""
        parts.append(f"{title}<dl>{file}{told}</dl>")
    return "".join(parts)
