"""``fose train``."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from fose.cli.options import reported
from fose.errors import InputError


@click.command(short_help="Train the networks that a recipe describes.")
@click.argument("recipe", type=click.Path(dir_okay=False))
@click.option("--data", required=True, type=click.Path(file_okay=False), help="Folder with the training images.")
@click.option(
    "--output", "-o", required=True, type=click.Path(file_okay=False), help="Folder for checkpoints and logs."
)
@click.option("--stages", help="Only these stages, comma-separated, in order.  [default: all]")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda or cuda:N.")
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads.  [default: all cores]")
@click.option("--dry-run", is_flag=True, help="Read everything, print what would be trained, train nothing.")
@reported
def train(
    recipe: str, data: str, output: str, stages: str | None, device: str, threads: int | None, dry_run: bool
) -> None:
    """Run the stages of RECIPE (a TOML file), resuming from the checkpoints in the output folder.

    Several processes share the work where torchrun starts them: torchrun --nproc-per-node 4 -m fose train ...
    """
    try:
        from fose.training import run, world
    except ImportError as error:
        raise InputError(f"training needs more packages ({error}); pip install 'fose[train]'") from error
    chosen = tuple(stages.split(",")) if stages else None
    plan = run.prepare(recipe, data, chosen)
    if world.is_first():
        click.echo(plan.describe())
    if dry_run:
        return
    with _bars() if sys.stderr.isatty() else _lines() as progress:
        run.train_all(plan, Path(output), device, threads, progress)


@contextmanager
def _lines() -> Iterator[Any]:
    """One line for each check and for each preparation that ends."""

    def progress(name: str, done: int, total: int, error: float | None) -> None:
        if done == total or error is not None:
            click.echo(f"{name}: {done}/{total}" + ("" if error is None else f", validation L1 {error:.4f}"))

    yield progress


@contextmanager
def _bars() -> Iterator[Any]:
    """One bar on the terminal for each stage and preparation: steps, the last validation error, time left."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description:<20}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TextColumn("{task.fields[error]}"),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    tasks: dict[str, Any] = {}
    with Progress(*columns, console=Console(stderr=True)) as bars:

        def progress(name: str, done: int, total: int, error: float | None) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=total, error="")
            bars.update(tasks[name], completed=done)
            if error is not None:
                bars.update(tasks[name], error=f"validation L1 {error:.4f}")

        yield progress
