"""``fose methods``."""

import click

from fose.cli.options import reported


@click.command(short_help="List the methods.")
@reported
def methods() -> None:
    """Every method that --method takes, with one line about it."""
    from fose import api

    listed = api.methods()
    width = max(map(len, listed))
    for name, summary in listed.items():
        default = "  [default]" if name == api.DEFAULT_METHOD else ""
        click.echo(f"{name:<{width}}  {summary}{default}")
