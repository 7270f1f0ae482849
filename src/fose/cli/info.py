"""``fose info``."""

import dataclasses
import json
from typing import Any

import click

from fose.cli.options import pair_options, reported, split_paths


@click.command(short_help="Say what sharpen would do with a pair.")
@click.argument("paths", nargs=-1, metavar="PAN MS [MS ...]")
@pair_options
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")
@reported
def info(paths: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Grids, ratio, phase, overlap, misregistration and sensor of a pair, and what sharpen would do with it."""
    pan, *ms = split_paths(paths, 2, "PAN and at least one MS")
    from fose import api

    facts = api.info(pan, ms, **options)
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(facts), indent=2))
        return
    bands, height, width = facts.output_shape
    lines = {
        "PAN": f"{facts.pan}, {facts.pan_dtype}, missing: {facts.missing['pan'] or 'none declared'}",
        "MS": f"{facts.ms}, {facts.ms_dtype}, {bands} bands, missing: {facts.missing['ms'] or 'none declared'}",
        "ratio": f"{facts.ratio:g} PAN pixels per MS pixel",
        "phase": f"MS grid starts {facts.phase[0]:g} rows, {facts.phase[1]:g} columns (PAN pixels) into the output",
        "overlap": f"{facts.overlap:.1%} of PAN",
        "registration": facts.registration_summary,
        "sensor": f"{facts.sensor} ({facts.sensor_evidence})",
        "bands": "; ".join(_band(index, band) for index, band in enumerate(facts.bands, start=1)),
        "output": f"{width}x{height} px, {bands} bands, {facts.ms_dtype}",
    }
    for name, text in lines.items():
        click.echo(f"{name + ':':<14}{text}")
    for note in facts.notes:
        click.echo(f"{'note:':<14}{note}")


def _band(index: int, band: dict[str, Any]) -> str:
    wavelength = "" if band["wavelength_nm"] is None else f" {band['wavelength_nm']:g} nm"
    return f"{index} {band['name']}{wavelength}, MTF {band['mtf_gain']:.2f}"
