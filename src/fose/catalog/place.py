"""Where results are kept: in a folder, or under a URL of an object store; files of both are named by text."""

from pathlib import Path

from fose.errors import OutputError
from fose.scene import remote


def join(folder: str, name: str) -> str:
    """The file of that name, such as north/one.tif, in the folder."""
    return f"{folder.rstrip('/')}/{name}" if remote.is_remote(folder) else str(Path(folder) / name)


def exists(path: str) -> bool:
    """Whether something lies there; OutputError where a store does not say."""
    return remote.exists(path) if remote.is_remote(path) else Path(path).exists()


def make_folder_of(path: str) -> None:
    """Make what folders a local file needs; stores need none."""
    if not remote.is_remote(path):
        Path(path).parent.mkdir(parents=True, exist_ok=True)


def read(path: str) -> str:
    """A file's text; ValueError where it is none, OutputError where it cannot be fetched."""
    return remote.read_text(path) if remote.is_remote(path) else Path(path).read_text(encoding="utf-8")


def write(path: str, text: str) -> None:
    """Write a text whole or not at all; OutputError where that fails."""
    if remote.is_remote(path):
        remote.write_text(path, text)
        return
    part = Path(path).with_name(f".{Path(path).name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {(error.strerror or str(error)).lower()}") from error
    finally:
        part.unlink(missing_ok=True)
