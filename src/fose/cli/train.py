"""``fose train``."""

from pathlib import Path

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
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads.  [default: all cores]")
@click.option("--dry-run", is_flag=True, help="Read everything, print what would be trained, train nothing.")
@reported
def train(
    recipe: str, data: str, output: str, stages: str | None, device: str, threads: int | None, dry_run: bool
) -> None:
    """Run the stages of RECIPE (a TOML file), resuming from the checkpoints in the output folder."""
    try:
        from fose.training import run
    except ImportError as error:
        raise InputError(f"training needs PyTorch, found none ({error}); install fose[train]") from error
    chosen = tuple(stages.split(",")) if stages else None
    plan = run.prepare(recipe, data, chosen)
    click.echo(plan.describe())
    if not dry_run:
        run.train_all(plan, Path(output), device, threads, click.echo)
