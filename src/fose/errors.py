"""One error root; every subclass also inherits the builtin it refines, so callers may catch either.

Messages say what was expected, what was found and what to do, in one line.
"""


class FoseError(Exception):
    """Anything that fose refuses to do. The command line prints it on one line and exits with 1."""


class GridError(FoseError, ValueError):
    """Two grids that cannot be joined: no overlap, rotation between them, MS finer than PAN, lost georeference."""


class InputError(FoseError, ValueError):
    """Input whose shape, type, value or option is not what the operation needs."""


class ReadError(FoseError, OSError):
    """An input that cannot be opened or whose pixels cannot be read."""


class OutputError(FoseError, OSError):
    """An output that cannot be written: it exists, the disk is full, the driver refuses."""


class FoseWarning(UserWarning):
    """Something was assumed or changed on the user's behalf, and the result is still valid."""
