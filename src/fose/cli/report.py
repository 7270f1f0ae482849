"""``fose report``."""

from typing import Any

import click

from fose.cli import options as shared
from fose.cli.options import reported, split_paths


@click.command(short_help="Compare results with PAN and MS in one HTML page.")
@click.argument("paths", nargs=-1, metavar="PAN MS SHARP [SHARP ...]")
@click.option("--output", "-o", required=True, metavar="REPORT.html", help="The page to write.")
@click.option("--ms", "more", multiple=True, metavar="MS", help="A further MS file of MS's grid; repeatable, in order.")
@click.option("--target", metavar="T", help="The true image on PAN's grid, for errors and metrics against it.")
@shared.sensor
@shared.register
@shared.nodata
@shared.bands
@click.option("--overwrite", is_flag=True, help="Replace the page if it exists.")
@click.option("--quiet", "-q", is_flag=True, help="Print nothing.")
@reported
def report(
    paths: tuple[str, ...], output: str, more: tuple[str, ...], target: str | None, quiet: bool, **options: Any
) -> None:
    """Show and measure one or several results of sharpening PAN and MS, in one HTML file that works offline.

    A slider between any two images, error maps where there is a target, metrics, spectra, histograms, grids and
    provenance. MS in several files: the first one as MS, the others with --ms.
    """
    pan, first, *sharps = split_paths(paths, 3, "PAN, MS and at least one result")
    from fose import api

    written = api.report(pan, [first, *more], sharps, output, target, **options)
    if not quiet:
        for note in written.notes:
            click.echo(f"note: {note}", err=True)
        click.echo(f"{written.path}: {written.size / 1e6:.1f} MB")
