"""``fose sharpen`` (and ``rio sharpen``)."""

import dataclasses
import functools
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fose.cli.options import Shard, reported, result_options, split_paths
from fose.errors import InputError

if TYPE_CHECKING:
    from fose.scene.sharpen import Report


@click.command(short_help="Sharpen MS with PAN into a new file.")
@click.argument("paths", nargs=-1, metavar="PAN MS [MS ...] OUT")
@result_options
@click.option(
    "--resume",
    is_flag=True,
    help="Keep what is finished in OUT.fose, and go on from what an earlier run kept there.",
)
@click.option("--shard", type=Shard(), help="Make the i-th of n shares only, into OUT.fose, for `fose merge` to join.")
@click.option("--dask", metavar="ADDRESS", help="Compute on a Dask cluster: its scheduler's address, or local.")
@click.option("--overwrite", is_flag=True, help="Replace OUT if it exists.")
@click.option("--quiet", "-q", is_flag=True, help="No notices, no progress.")
@click.option("--json", "as_json", is_flag=True, help="Print a report of the run as JSON.")
@reported
def sharpen(
    paths: tuple[str, ...],
    method: str | None,
    creation: tuple[tuple[str, str], ...],
    dask: str | None,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Sharpen the MS with the PAN into OUT, on PAN's grid.

    PAN and MS are anything GDAL opens; several MS files of one grid (such as Landsat bands) are stacked in the order
    given. OUT is written whole or not at all.

    A long job may be interrupted (--resume) or shared out (--shard); the bytes of OUT are the same.
    """
    pan, *ms, out = split_paths(paths, 3, "PAN, at least one MS, and OUT")
    from fose import api

    def run(progress: Any = None) -> "Report":
        chosen = method or api.DEFAULT_METHOD
        sharpen = api.sharpen if dask is None else _on_cluster(dask)
        report: Report = sharpen(pan, ms, out, chosen, creation=dict(creation), progress=progress, **options)
        return report

    try:
        report = run() if quiet or not sys.stderr.isatty() else _with_progress(run)
    except (KeyboardInterrupt, SystemExit):
        if options["resume"] or options["shard"]:
            _say_how_to_continue(out)
        raise
    if not quiet:
        for note in report.notes:
            click.echo(f"note: {note}", err=True)
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(report), indent=2))
    elif not quiet:
        click.echo(_left(report, *options["shard"]) if options["shard"] else summary(report))


def _on_cluster(address: str) -> Any:
    """`api.sharpen` on the Dask cluster of that scheduler."""
    try:
        from fose.xr import cluster
    except ImportError as error:
        raise InputError(f"--dask: {error}") from error
    return functools.partial(cluster.sharpen_files, address)


def summary(report: "Report") -> str:
    """One line on a whole output."""
    bands, height, width = report.shape
    return (
        f"{report.output}: {width}x{height} px, {bands} bands, {report.dtype}, {report.method}, "
        f"sensor {report.sensor}, {report.seconds['total']:.1f} s, {report.megapixels_per_second:.1f} MP/s"
    )


def _left(report: "Report", i: int, n: int) -> str:
    """One line on a shard."""
    left = len(report.missing_strips)
    others = f"{left} strip{'s' * (left != 1)} left to other shards" if left else "nothing left to other shards"
    return f"{report.output}: shard {i}/{n} done in {report.seconds['total']:.1f} s, {others}; fose merge joins them"


def _say_how_to_continue(out: str) -> None:
    from fose.scene.journal import folder_of

    folder = folder_of(Path(out))
    if folder.exists():
        click.echo(f"finished strips are kept in {folder}; run the same command again to continue", err=True)


def _with_progress(run: Any) -> Any:
    """Run with a bar on the terminal: megapixels written, rate, time left."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f} MP  {task.fields[rate]:.1f} MP/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("measuring", total=None, rate=0.0)

        def progress(pixels: int, total: int) -> None:
            state = bar.tasks[0]
            bar.update(
                task,
                description="sharpening",
                total=total / 1e6,
                advance=pixels / 1e6,
                rate=(state.completed + pixels / 1e6) / max(state.elapsed or 0, 1e-3),
            )

        return run(progress)
