"""``fose metrics``."""

import json
from pathlib import Path
from typing import Any

import click

from fose.cli.options import bands, conventions, cut, nodata, peak, register, reported, sensor, threads
from fose.evaluation.scores import METRICS, Scores

DEFAULT_RATIO = 4.0


@click.command(short_help="Measure a fused image, with or without a reference.")
@click.argument("paths", nargs=-1, metavar="[REFERENCE] FUSED")
@click.option("--pan", metavar="FILE", help="PAN that FUSED was made from: measure without a reference.")
@click.option("--ms", multiple=True, metavar="FILE", help="MS that FUSED was made from; repeat for a stack of files.")
@click.option("--ratio", type=float, help="PAN pixels per MS pixel, for ERGAS.  [default: 4]")
@peak
@cut
@nodata
@bands
@sensor
@register
@conventions
@threads
@click.option("--json", "as_json", is_flag=True, help="Print scores and notes as JSON.")
@reported
def metrics(paths: tuple[str, ...], pan: str | None, ms: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Quality of FUSED against REFERENCE, both on one grid; or of FUSED against the --pan and --ms it was made from.

    With a reference: SAM, ERGAS, Q2n, Q_avg, SCC, PSNR, SSIM. Without: D_lambda, D_s, QNR, D_lambda_K, HQNR.
    Missing pixels are left out.
    """
    if bool(pan) != bool(ms):
        raise click.UsageError("expected --pan and --ms together, found one of them")
    expected = "FUSED" if pan else "REFERENCE and FUSED, or --pan, --ms and FUSED"
    if len(paths) != (1 if pan else 2):
        raise click.UsageError(f"expected {expected}; found {len(paths)} path{'s' * (len(paths) != 1)}")
    scores, notes = _without(pan, ms, paths[0], options) if pan else _with(paths[0], paths[1], options)
    if as_json:
        click.echo(json.dumps(_plain(scores, notes), indent=2, allow_nan=False))
        return
    for name, value in scores.values.items():
        unit = METRICS[name].unit
        click.echo(f"{name:<21}{value:>10.{METRICS[name].digits}f}{' ' + unit if unit else ''}")
    click.echo(f"{'pixels':<21}{scores.pixels - scores.missing:>10}")
    if scores.missing:
        click.echo(f"{'left out (missing)':<21}{scores.missing:>10}")
    for note in (*notes, *(f"{name} left out: {reason}" for name, reason in scores.omitted.items())):
        click.echo(f"note: {note}", err=True)


def _with(reference: str, fused: str, options: dict[str, Any]) -> tuple[Scores, list[str]]:
    from fose.evaluation.files import against_reference

    for name in ("bands", "sensor"):
        if options[name] is not None:
            raise click.UsageError(f"--{name} belongs to --pan and --ms; REFERENCE and FUSED are compared as they are")
    given = options["ratio"]
    ratio = DEFAULT_RATIO if given is None else given
    scores, notes = against_reference(reference, fused, ratio, options["peak"], options["cut"] or 0, options["nodata"])
    return scores, [*notes, f"ERGAS for ratio {ratio:g}; give --ratio if it is another"] if given is None else notes


def _without(pan: str, ms: tuple[str, ...], fused: str, options: dict[str, Any]) -> tuple[Scores, list[str]]:
    from fose.evaluation.files import without_reference
    from fose.scene.sharpen import Options

    for name in ("ratio", "peak", "cut"):
        if options[name] is not None:
            raise click.UsageError(f"--{name} belongs to REFERENCE and FUSED; without a reference the grids decide")
    names = ("bands", "nodata", "threads", "register", "sensor")
    chosen = Options(**{name: options[name] for name in names})
    return without_reference(Path(pan), ms, fused, options["conventions"], chosen)


def _plain(scores: Scores, notes: list[str]) -> Any:
    from fose.evaluation.table import plain

    facts = {"scores": scores.values, "pixels": scores.pixels - scores.missing, "missing": scores.missing}
    return plain(facts | {"omitted": scores.omitted, "notes": notes})
