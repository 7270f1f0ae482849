"""``fose batch``."""

import dataclasses
import json
import sys
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from fose.cli.options import reported, result_options
from fose.cli.sharpen import summary

if TYPE_CHECKING:
    from fose.catalog.run import Outcome

SAID = {"made": "sharpened", "kept": "finished before", "failed": "failed"}


@click.command(short_help="Sharpen many scenes into a folder.")
@click.argument("manifest", metavar="TABLE.csv|ITEMS.json|FOLDER")
@click.argument("outdir", metavar="OUTDIR")
@click.option(
    "--pan",
    metavar="RULE",
    help="Of a folder: names of the PAN files, such as '{name}_B8.TIF'.  [default: {name}/pan.tif]",
)
@click.option(
    "--ms",
    metavar="RULE",
    help="Of a folder: names of a scene's MS files, separated by ';', with * and ?.  [default: {name}/ms*.tif]",
)
@click.option(
    "--common-names",
    metavar="a,b,...",
    help="Of STAC items: the MS bands by eo:common_name.  [default: blue,green,red,nir, or an asset of several bands]",
)
@result_options
@click.option("--overwrite", is_flag=True, help="Make finished scenes again.")
@click.option("--quiet", "-q", is_flag=True, help="Say only what failed.")
@click.option("--json", "as_json", is_flag=True, help="Print what became of each scene as JSON.")
@reported
def batch(
    manifest: str,
    outdir: str,
    method: str | None,
    creation: tuple[tuple[str, str], ...],
    common_names: str | None,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Sharpen the scenes of a table, of STAC items or of a folder into OUTDIR, with a STAC item for each.

    OUTDIR is a folder, or a URL such as s3://bucket/prefix. A table has the columns pan and ms (files separated by
    ';'), and perhaps name, out and datetime. Run again, the same command keeps what is finished, continues what was
    interrupted, and tries again what failed. A scene that fails is reported, the rest goes on, and the exit status is
    1.
    """
    from fose import api

    counts: Counter[str] = Counter()
    showing = not quiet and sys.stderr.isatty()

    def told(outcome: "Outcome", number: int, count: int) -> None:
        counts[outcome.state] += 1
        if showing:
            click.echo("\r\x1b[K", nl=False, err=True)
        if outcome.state == "failed":
            click.echo(f"error: {outcome.name}: {outcome.message}", err=True)
        elif not quiet:
            _say(outcome, f"{number}/{count}", as_json)

    names = tuple(name.strip() for name in common_names.split(",")) if common_names else None
    try:
        outcomes = api.batch(
            manifest,
            outdir,
            method or api.DEFAULT_METHOD,
            common_names=names,
            creation=dict(creation),
            told=told,
            progress=_percentage() if showing else None,
            **options,
        )
    except (KeyboardInterrupt, SystemExit):
        click.echo("finished scenes are kept; run the same command again to continue", err=True)
        raise
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(outcome) for outcome in outcomes], indent=2))
    elif not quiet:
        click.echo(", ".join(f"{counts[state]} {words}" for state, words in SAID.items()))
    if counts["failed"]:
        click.get_current_context().exit(1)


def _say(outcome: "Outcome", place: str, as_json: bool) -> None:
    """One line on a scene, after its notes; beside JSON on the other stream."""
    for note in outcome.report.notes if outcome.report else ():
        click.echo(f"note: {outcome.name}: {note}", err=True)
    line = summary(outcome.report) if outcome.report else f"{outcome.output}: finished before"
    click.echo(f"{place} {line}", err=as_json)


def _percentage() -> Callable[[int, int], None]:
    """Shows how far the scene at hand is."""
    done = 0

    def progress(pixels: int, total: int) -> None:
        nonlocal done
        done += pixels
        click.echo(f"\r\x1b[K{done / total:.0%}", nl=False, err=True)
        if done >= total:
            done = 0

    return progress
