"""Reading the networks' files (safetensors), for training and for running alike."""

from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from fose.errors import InputError

WEIGHTS = "fose-weights-1"  # format of a model that ships: weights alone


def read_tensors(path: Path, what: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors by name, on the CPU, and the file's metadata; InputError that says `what` cannot be read."""
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping
    except (OSError, SafetensorError) as error:
        raise InputError(f"cannot read {what} {path}: {error}") from error
    return tensors, metadata
