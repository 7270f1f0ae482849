"""``fose merge``."""

import dataclasses
import json

import click

from fose.cli.options import reported, threads
from fose.cli.sharpen import summary


@click.command(short_help="Join what the shards of sharpen made.")
@click.argument("out", metavar="OUT")
@threads
@click.option("--overwrite", is_flag=True, help="Replace OUT if it exists.")
@click.option("--quiet", "-q", is_flag=True, help="No notices.")
@click.option("--json", "as_json", is_flag=True, help="Print a report of the run as JSON.")
@reported
def merge(out: str, threads: int | None, overwrite: bool, quiet: bool, as_json: bool) -> None:
    """Join the strips that `fose sharpen --shard` left in OUT.fose into OUT, and remove that folder.

    Needs no input image. OUT is written whole or not at all; where strips are missing, it says which.
    """
    from fose import api

    report = api.merge(out, overwrite=overwrite, threads=threads)
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(report), indent=2))
    elif not quiet:
        click.echo(summary(report))
