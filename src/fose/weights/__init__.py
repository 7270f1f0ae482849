"""The models that ship with the package: weights, the same network as ONNX, and a card each."""

from pathlib import Path

from fose.errors import InputError

ONNX, TENSORS, CARD = "model.onnx", "model.safetensors", "README.md"


def names() -> tuple[str, ...]:
    """Models in the package."""
    return tuple(sorted(folder.parent.name for folder in Path(__file__).parent.glob(f"*/{ONNX}")))


def known(name: str) -> bool:
    """Whether it is a model of the package, or a folder with one."""
    return name in names() or (Path(name) / ONNX).is_file()


def describe(name: str) -> str:
    """One line on a model of the package: its card's first line after the title. InputError as `folder`."""
    lines = (folder(name) / CARD).read_text(encoding="utf-8").splitlines()
    return next(line for line in lines[1:] if line.strip())


def folder(name: str) -> Path:
    """Where a model lies: a folder given by its path, else one of the package's. InputError lists the names."""
    given = Path(name)
    if (given / ONNX).is_file():
        return given
    inside = Path(__file__).parent / name
    if not (inside / ONNX).is_file():
        raise InputError(
            f"expected a model among {', '.join(names()) or 'none'}, or a folder with {ONNX}; found {name!r}"
        )
    return inside
