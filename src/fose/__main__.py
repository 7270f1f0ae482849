"""``python -m fose``: the same as the ``fose`` command."""

from fose.cli import main

main(prog_name="fose")
