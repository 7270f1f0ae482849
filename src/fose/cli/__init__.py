"""The command line, one file per command; each is imported when it is called."""

from importlib import import_module

import click

from fose._version import __version__

# Command name -> module of this package that defines it, and its line in `fose --help`.
COMMANDS = {
    "sharpen": "Sharpen MS with PAN into a new file.",
    "merge": "Join what the shards of sharpen made.",
    "batch": "Sharpen many scenes into a folder.",
    "info": "Say what sharpen would do with a pair.",
    "report": "Compare results with PAN and MS in one HTML page.",
    "methods": "List the methods.",
    "metrics": "Measure a fused image, with or without a reference.",
    "evaluate": "Compare methods on scenes, in a table.",
    "train": "Train the networks that a recipe describes.",
}


class _Commands(click.Group):
    """A group that imports a command only when it runs, so that --help and errors come at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"fose.cli.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fose")
def main() -> None:
    """Pansharpening: fuse a sharp panchromatic image with a coarser multispectral one."""
