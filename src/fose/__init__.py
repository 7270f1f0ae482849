"""fose: pansharpening of whole satellite scenes.

`sharpen` works on files, `sharpen_array` on NumPy arrays, `info` says what would be done, `methods` lists the methods,
`merge` joins what shards of `sharpen` made, `batch` sharpens many scenes, `report` compares results in an HTML page.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fose._version import __version__
from fose.errors import FoseError, FoseWarning, GridError, InputError, OutputError, ReadError

if TYPE_CHECKING:
    from fose.api import batch, info, merge, method, methods, report, sharpen, sharpen_array

__all__ = [
    "FoseError",
    "FoseWarning",
    "GridError",
    "InputError",
    "OutputError",
    "ReadError",
    "__version__",
    "batch",
    "info",
    "merge",
    "method",
    "methods",
    "report",
    "sharpen",
    "sharpen_array",
]


def __getattr__(name: str) -> Any:
    """Import the API on first use: `import fose` and `fose --help` stay fast."""
    if name in __all__:
        return getattr(import_module("fose.api"), name)
    raise AttributeError(f"module 'fose' has no attribute {name!r}")
