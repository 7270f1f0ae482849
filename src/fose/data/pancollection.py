"""PanCollection's files: HDF5 or MATLAB files that hold N images under the keys gt, ms, lms and pan.

Deng et al. (2022), "Machine learning in pansharpening: a benchmark, from shallow to deep networks", GRSM 10(3).
Reduced resolution: gt, lms 256 x 256, ms 64 x 64, pan 256 x 256; full resolution: no gt, 512 x 512 and 128 x 128.
Training and validation: patches of 64 x 64 with gt.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fose import sensors
from fose.errors import InputError, ReadError

Array = NDArray[Any]
Shape = tuple[int, ...]

KEYS = ("ms", "lms", "pan")
# Images whose largest value is at most this are scaled to 0..1, and Q2n, which rounds, would say nothing of them.
LEAST_PEAK = 2.0
# Axes as the arrays are read, the most likely first. MATLAB 7.3 stores them in reverse, so its (N, C, H, W) reads WHCN.
_LAYOUTS = {
    "hdf5": ("NCHW", "NHWC", "CHW", "HWC"),
    "matlab 7.3": ("WHCN", "NCWH", "CWH"),
    "matlab 5": ("NCHW", "HWCN", "NHWC", "HWC", "CHW"),
}


@dataclass(frozen=True)
class Sample:
    """One image: pan (H, W), ms (C, h, w), lms (C, H, W) MS interpolated, gt (C, H, W) or None at full resolution."""

    pan: Array
    ms: Array
    lms: Array
    gt: Array | None


class PanCollection:
    """One open file. `len` is the number of images; index to read one, DN as stored.

    Raises ReadError where the file cannot be read, InputError where keys or shapes are not PanCollection's.
    """

    def __init__(self, path: Path, arrays: Mapping[str, Any], kind: str) -> None:
        absent = [key for key in KEYS if key not in arrays]
        if absent:
            raise InputError(f"{path}: expected the keys {', '.join(KEYS)}, found {', '.join(arrays) or 'none'}")
        self.path = path
        self._arrays = {key: arrays[key] for key in (*KEYS, "gt") if key in arrays}
        self._layout = _layout(path, kind, {key: tuple(array.shape) for key, array in self._arrays.items()})

    def __len__(self) -> int:
        return int(self._arrays["ms"].shape[self._layout.index("N")]) if "N" in self._layout else 1

    @property
    def has_target(self) -> bool:
        """Whether it is a reduced-resolution file, with ground truth."""
        return "gt" in self._arrays

    def sensor(self, named: str | None = None) -> sensors.Guess:
        """The sensor from the file's name (wv3, gf2, qb, wv2), or as the user named it."""
        return sensors.resolve(named, sensors.Metadata(count=self.bands, filenames=[self.path.name]))

    @property
    def bands(self) -> int:
        """Bands of the MS."""
        return int(self._arrays["ms"].shape[self._layout.index("C")])

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(f"{self.path}: expected an image number in 0..{len(self) - 1}, found {index}")
        images = {key: self._image(key, index) for key in self._arrays}
        if 0 < max(float(image.max()) for image in images.values()) <= LEAST_PEAK:  # all zero: missing, not scaled
            raise InputError(
                f"{self.path}: expected digital numbers such as 0..2047, found values up to {images['ms'].max():g}; "
                "multiply the images by their scale (2047, or 1023 for GaoFen-2) first"
            )
        return Sample(images["pan"][0], images["ms"], images["lms"], images.get("gt"))

    def _image(self, key: str, index: int) -> Array:
        """(C, H, W) of one image; PAN may lack its band axis."""
        array, layout = self._arrays[key], self._layout
        if array.ndim < len(layout):
            layout = layout.replace("C", "")
        place = tuple(index if axis == "N" else slice(None) for axis in layout)
        left = layout.replace("N", "")
        try:
            image = np.asarray(array[place])
        except OSError as error:
            raise ReadError(f"cannot read {key} of image {index} in {self.path}: {error}") from error
        image = image.transpose([left.index(axis) for axis in "CHW" if axis in left])
        return image if image.ndim == 3 else image[None]


def _layout(path: Path, kind: str, shapes: Mapping[str, Shape]) -> str:
    """The layout that makes the arrays of one file belong together; InputError where none does."""
    for layout in _LAYOUTS[kind]:
        if _fits(layout, shapes):
            return layout
    found = ", ".join(f"{key} {shape}" for key, shape in shapes.items())
    raise InputError(
        f"{path}: expected pan (N,1,H,W), ms (N,C,h,w) and lms, gt (N,C,H,W) "
        f"with H and W the same multiple of h and w, found {found}"
    )


def _fits(layout: str, shapes: Mapping[str, Shape]) -> bool:
    named = {}
    for key, shape in shapes.items():
        axes = layout.replace("C", "") if key == "pan" and len(shape) == len(layout) - 1 else layout
        if len(shape) != len(axes):
            return False
        named[key] = dict(zip(axes, shape, strict=True))
    ms, pan = named["ms"], named["pan"]
    if pan.get("C", 1) != 1 or any(pan[side] % ms[side] for side in "HW") or pan["H"] // ms["H"] != pan["W"] // ms["W"]:
        return False
    if pan["H"] // ms["H"] < 2 or pan.get("N") != ms.get("N"):
        return False
    return all(named[key] == {**pan, "C": ms["C"]} for key in named if key not in ("ms", "pan"))


@contextmanager
def open_pancollection(path: str | Path) -> Iterator[PanCollection]:
    """Open an .h5 or .mat file (MATLAB 5 or 7.3); closed on leaving. Errors as `PanCollection`."""
    path = Path(path)
    if not path.is_file():
        raise ReadError(f"cannot open {path}: no such file")
    start = _hdf5_start(path)
    if path.suffix.lower() == ".mat" and start is None:
        yield PanCollection(path, _read_matlab5(path), "matlab 5")
        return
    file = _open_hdf5(path)
    try:
        arrays = {key: file[key] for key in file if hasattr(file[key], "shape")}
        yield PanCollection(path, arrays, "matlab 7.3" if start else "hdf5")
    finally:
        file.close()


def _hdf5_start(path: Path) -> int | None:
    """The offset of the HDF5 signature, None where there is none; MATLAB 7.3 writes a header of 512 bytes before it."""
    with path.open("rb") as file:
        head = file.read(2056)
    starts = (offset for offset in (0, 512, 1024, 2048) if head[offset : offset + 8] == b"\x89HDF\r\n\x1a\n")
    return next(starts, None)


def _open_hdf5(path: Path) -> Any:
    try:
        import h5py
    except ImportError:
        raise ReadError(f"{path} needs the package h5py: install it with pip install 'fose[research]'") from None
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise ReadError(f"cannot open {path}: {error}") from error


def _read_matlab5(path: Path) -> dict[str, Array]:
    from scipy.io import loadmat

    try:
        contents = loadmat(path, variable_names=(*KEYS, "gt"))
    except (OSError, ValueError, TypeError, NotImplementedError) as error:
        raise ReadError(f"cannot read {path} as a MATLAB file: {error}") from error
    return {key: array for key, array in contents.items() if not key.startswith("__")}
