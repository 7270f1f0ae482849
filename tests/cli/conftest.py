"""Run the command line in this process."""

import pytest
from click.testing import CliRunner

from fose.cli import main


@pytest.fixture
def fose():
    """fose("metrics", ...) gives click's result: exit_code, stdout, stderr."""

    def run(*arguments):
        return CliRunner().invoke(main, [str(argument) for argument in arguments])

    return run


@pytest.fixture
def refused(fose):
    """The one line with which a command that must fail says why."""

    def run(*arguments):
        result = fose(*arguments)
        assert result.exit_code != 0
        assert result.stdout == ""
        message = result.stderr.strip().splitlines()[-1]
        assert message.startswith("Error: ")
        return message

    return run
