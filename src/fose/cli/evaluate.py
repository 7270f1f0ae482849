"""``fose evaluate``."""

import sys
from pathlib import Path
from typing import Any

import click

from fose.cli.options import bands, conventions, cut, extent, nodata, peak, register, reported, sensor, threads


class Names(click.ParamType[tuple[str, ...]]):
    """Comma-separated names, as a tuple."""

    name = "a,b,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Split; a repeated name counts once."""
        return value if isinstance(value, tuple) else tuple(dict.fromkeys(part.strip() for part in value.split(",")))


@click.command(short_help="Compare methods on scenes by the reduced and full resolution protocols.")
@click.argument("paths", nargs=-1, metavar="PAN MS [MS ...] | FOLDER | MANIFEST.json | FILE.h5 ...")
@click.option("--target", metavar="FILE", help="The pair is already reduced, and this is its truth on PAN's grid.")
@click.option("--methods", "-m", type=Names(), help="See `fose methods`.  [default: all]")
@click.option(
    "--protocol", type=click.Choice(["reduced", "full", "both"]), default="both", show_default=True, help="What to run."
)
@conventions
@peak
@cut
@sensor
@register
@extent
@nodata
@bands
@threads
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "csv", "markdown", "latex", "json"]),
    default="text",
    show_default=True,
    help="How to write the tables; json also holds the scores of every scene.",
)
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="Write there, not to the screen.")
@click.option("--overwrite", is_flag=True, help="Replace the output if it exists.")
@click.option("--quiet", "-q", is_flag=True, help="No notes, no progress.")
@reported
def evaluate(
    paths: tuple[str, ...],
    target: str | None,
    methods: tuple[str, ...] | None,
    protocol: str,
    conventions: str,
    peak: float | None,
    cut: int | None,
    form: str,
    output: Path | None,
    overwrite: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Sharpen with every method and measure: a table of mean ± standard deviation over the scenes.

    Reduced resolution degrades PAN and MS by their ratio, sharpens, and compares with the real MS (Wald). Full
    resolution sharpens the pair as it is and measures without a reference. PanCollection's files get its own
    conventions and one table each. A scene that fails is reported, the rest goes on, and the exit status is 1.
    """
    from fose import api
    from fose.evaluation.cases import PROTOCOLS, Settings
    from fose.evaluation.manifest import find
    from fose.evaluation.run import evaluate as run
    from fose.evaluation.table import FORMATS
    from fose.scene.sharpen import Options

    if output and output.exists() and not overwrite:
        raise click.ClickException(f"{output} exists; give --overwrite to replace it")
    if output and not output.parent.is_dir():  # known now, not after hours of work
        raise click.ClickException(f"output directory {output.parent} does not exist; create it first")
    chosen = PROTOCOLS if protocol == "both" else (protocol,)
    settings = Settings(chosen, conventions, cut, peak, Options(**options))
    names = methods or api.sharpener_names()
    sharpeners = {name: api.method(name) for name in names}
    showing = not quiet and sys.stderr.isatty()
    found = run(find(paths, target), sharpeners, settings, _progress if showing else None)
    if showing:
        _progress("")
    if not quiet:
        _say_notes(found)
    for failure in found.failures:
        click.echo(f"error: {failure}", err=True)
    if found.results:
        _write(FORMATS[form](found), output)
    if found.failures:
        click.get_current_context().exit(1)


def _say_notes(found: Any) -> None:
    """What was assumed and left out, each note once; a missing --peak is no news here."""
    said: dict[str, dict[str, None]] = {}  # note: the scenes that it holds for
    for scene, notes in found.notes.items():
        for note in notes:
            said.setdefault(note, {})[scene] = None
    for result in found.results:
        for name, reason in result.scores.omitted.items():
            if name != "PSNR, SSIM":
                said.setdefault(f"{result.protocol}: {name} left out: {reason}", {})[result.scene] = None
    for note, scenes in said.items():
        where = next(iter(scenes)) if len(scenes) == 1 else f"{len(scenes)} scenes"
        click.echo(f"note: {where}: {note}", err=True)


def _progress(line: str) -> None:
    click.echo(f"\r\x1b[K{line}", nl=False, err=True)


def _write(text: str, output: Path | None) -> None:
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"cannot write {output}: {error.strerror}") from error
