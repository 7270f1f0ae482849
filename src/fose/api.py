"""The Python API: the same jobs as the command line, for files and for arrays."""

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from ctypes.util import find_library
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from fose import classical, sensors
from fose import weights as models
from fose.classical.reference import ReferenceScene
from fose.errors import InputError
from fose.machine import cores
from fose.ops.resample import kernel
from fose.runtime.network import Network
from fose.runtime.openvino import OpenVinoEngine
from fose.scene import gdal_brovey, remote
from fose.scene import resume as resumable
from fose.scene.grid import GridPair, array_pair
from fose.scene.inspect import Inspection, inspect_files
from fose.scene.register import register as register_scene
from fose.scene.scene import ArraySource, JoinedScene
from fose.scene.sharpen import Options, Progress, Report, sharpen_files, sharpen_to_array
from fose.sharpener import Sharpener

DEFAULT_METHOD = "fose"

if TYPE_CHECKING:
    from fose.catalog.run import Outcome, Told
    from fose.evaluation.report import Written

PathLike = str | Path


def methods() -> dict[str, str]:
    """Every method's name and one line about it."""
    networks = {name: models.describe(name) for name in models.names()}
    classics = {name: classical.describe(name) for name in classical.names()}
    return networks | classics | {gdal_brovey.NAME: gdal_brovey.DESCRIPTION}


def sharpener_names() -> tuple[str, ...]:
    """The methods that work tile by tile, all but GDAL's, which only writes files."""
    return tuple(name for name in methods() if name != gdal_brovey.NAME)


def method(name: str, weights: Sequence[float] | None = None, device: str = "auto") -> Sharpener:
    """The sharpener of that name, or of the model in a folder that `fose train` wrote.

    InputError lists the known ones, or says that it takes no weights.
    """
    return _sharpener(name, weights, device)


def sharpen(
    pan: PathLike,
    ms: PathLike | Sequence[PathLike],
    out: PathLike,
    method: str | Sharpener = DEFAULT_METHOD,
    *,
    weights: Sequence[float] | None = None,
    device: str = "auto",
    progress: Progress | None = None,
    resume: bool = False,
    shard: tuple[int, int] | None = None,
    **options: Any,
) -> Report:
    """Sharpen MS with PAN into a new GeoTIFF on PAN's grid, in bounded memory.

    pan, ms, out: paths or URLs (docs/batch.md); several MS files of one grid are stacked.
    method: a name, or a `fose.sharpener.Sharpener`.
    weights: for the methods that take them, one per band. device: where networks run, "auto" (a GPU that PyTorch
    sees, else the CPU), "cpu", "cuda" (all GPUs) or "cuda:1". options: the fields of `fose.scene.sharpen.Options`.
    resume: keep what is finished beside `out`, and continue from what an earlier run kept. shard: (i, n) makes the i-th
    of n shares only, for `merge` to join; see docs/resume.md.
    progress is called with the PAN pixels just written and in all. Returns a `Report`. Raises a subclass of
    `fose.FoseError` and leaves no file when it cannot finish.
    """
    paths = [ms] if isinstance(ms, (str, Path)) else list(ms)
    if not paths:
        raise InputError("expected at least one MS file, found none")
    chosen = checked_options(options)
    if remote.is_remote(out):
        if resume or shard:
            raise InputError(f"expected a local output with resume or shard, which keep strips beside it; found {out}")
        with remote.uploaded(str(out), chosen.overwrite, (pan, *paths)) as local:
            report = sharpen(pan, ms, local, method, weights=weights, device=device, progress=progress, **options)
        return replace(report, output=str(out))
    if method == gdal_brovey.NAME:
        if resume or shard:
            raise InputError(f"method {method}: expected no resume or shard, which it cannot do; choose another method")
        return gdal_brovey.sharpen_files(pan, paths, out, weights, chosen, progress)
    sharpener = _sharpener(method, weights, device)
    if resume or shard:
        return resumable.sharpen_files(pan, paths, out, sharpener, chosen, shard, progress)
    return sharpen_files(pan, paths, out, sharpener, chosen, progress)


def merge(out: PathLike, *, overwrite: bool = False, threads: int | None = None) -> Report:
    """Join what the shards of `sharpen` made into `out`, byte for byte what one run writes; see docs/resume.md.

    Needs no input. Raises InputError that names the shards that are missing.
    """
    return resumable.merge(out, overwrite, threads)


def batch(
    manifest: PathLike,
    outdir: PathLike,
    method: str | Sharpener = DEFAULT_METHOD,
    *,
    pan: str | None = None,
    ms: str | None = None,
    common_names: Sequence[str] | None = None,
    weights: Sequence[float] | None = None,
    device: str = "auto",
    told: "Told | None" = None,
    progress: Progress | None = None,
    **options: Any,
) -> "list[Outcome]":
    """Sharpen many scenes into a folder, each with a STAC item; what is finished is kept, interrupted scenes continue.

    outdir: a folder, or a URL under which an object store keeps files; there an interrupted scene begins anew.
    manifest: a table (.csv), STAC items (.json), or a folder, then with the naming rules pan and ms if need be;
    common_names: the MS bands of STAC items. told is called with the outcome of each scene, its number and how many
    there are. Other arguments as for `sharpen`. A scene that fails is an outcome, no exception. See docs/batch.md.
    """
    from fose.catalog import run, scenes  # lazily: sharpening one scene does not need it

    chosen = checked_options(options)
    if remote.is_remote(outdir):
        remote.check_folder(str(outdir))
    found = scenes.find(manifest, pan, ms, common_names)
    sharpener = method if method == gdal_brovey.NAME else _sharpener(method, weights, device)
    resume = sharpener != gdal_brovey.NAME and not remote.is_remote(outdir)
    name, given = (method, None) if isinstance(sharpener, str) else (sharpener.name, resumable.plain_fields(sharpener))
    varied = {key: text for key, text in resumable.plain_fields(chosen).items() if key not in resumable.FREE}
    job = {"method": name, "weights": weights, "method's": given} | varied

    def one(scene: scenes.Scene, out: str, tags: Mapping[str, str]) -> Report:
        own = options | {"tags": {**chosen.tags, **tags}}
        left = weights if isinstance(sharpener, str) else None
        return sharpen(scene.pan, scene.ms, out, sharpener, weights=left, progress=progress, resume=resume, **own)

    return run.run(found, outdir, one, job, chosen.overwrite, told)


def _sharpener(chosen: str | Sharpener, weights: Sequence[float] | None, device: str = "auto") -> Sharpener:
    """A method by name, or the caller's own."""
    if not isinstance(chosen, str):
        return chosen
    if models.known(chosen):
        if weights is not None:
            raise InputError(f"method {chosen}: expected no weights; found {list(weights)}")
        return _network(models.folder(chosen), device)
    if chosen not in classical.names():
        raise InputError(
            f"expected one of the methods {', '.join(methods())}, or a folder with a model; found {chosen!r}"
        )
    return classical.get(chosen) if weights is None else classical.get(chosen, weights=weights)


def _network(folder: Path, device: str) -> Network:
    """The network in a folder: by PyTorch on a GPU, by OpenVINO on the CPU."""
    if device == "cpu" or (device == "auto" and not _gpu()):
        engine = OpenVinoEngine(folder / models.ONNX)
        label = f"{_digest(folder / models.ONNX)} {engine.precision}"
        return Network(folder.name, engine, engine.receptive_field, engine.base, label)
    try:
        from fose.runtime.torch import TorchEngine
    except ImportError as error:
        raise InputError(f"--device {device} needs PyTorch, found none ({error}); pip install fose[gpu]") from error
    on_gpu = TorchEngine(folder / models.TENSORS, "cuda" if device == "auto" else device)
    label = f"{_digest(folder / models.TENSORS)} on a GPU"
    return Network(folder.name, on_gpu, on_gpu.receptive_field, on_gpu.base, label)


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]


def _gpu() -> bool:
    """Whether PyTorch sees a GPU; it is asked only where an NVIDIA driver is, for importing it takes seconds."""
    if not (find_library("cuda") or find_library("nvcuda")) or not (find_spec("torch") and find_spec("safetensors")):
        return False
    import torch

    return torch.cuda.is_available()


def checked_options(given: dict[str, Any]) -> Options:
    """The options of those names; InputError lists the known ones."""
    try:
        return Options(**given)
    except TypeError as error:
        known = ", ".join(Options.__dataclass_fields__)
        raise InputError(f"expected options among {known}; {error}") from None


def info(pan: PathLike, ms: PathLike | Sequence[PathLike], **options: Any) -> Inspection:
    """What `sharpen` would do with this pair: grids, ratio, phase, overlap, misregistration, sensor."""
    paths = [ms] if isinstance(ms, (str, Path)) else list(ms)
    return inspect_files(pan, paths, checked_options(options))


def report(
    pan: PathLike,
    ms: PathLike | Sequence[PathLike],
    sharps: Sequence[PathLike],
    out: PathLike,
    target: PathLike | None = None,
    **options: Any,
) -> "Written":
    """Compare results of this pair with each other, with MS, PAN and the target in one HTML page.

    options: `bands`, `nodata`, `sensor`, `register` and `overwrite`, as for `sharpen`. See docs/report.md.
    """
    paths = [ms] if isinstance(ms, (str, Path)) else list(ms)
    from fose.evaluation.report import write_report  # lazily: sharpening does not need it

    return write_report(pan, paths, sharps, out, target, checked_options(options))


def sharpen_array(
    pan: NDArray[Any],
    ms: NDArray[Any],
    *,
    ratio: float | None = None,
    phase: tuple[float, float] = (0.0, 0.0),
    method: str | Sharpener = DEFAULT_METHOD,
    weights: Sequence[float] | None = None,
    sensor: str | None = None,
    nodata: float | None = None,
    resampling: str = Options.resampling,
    register: str = "off",
    reference: str = "pan",
    conventions: str = "scene",
    tile: tuple[int, int] | None = None,
    device: str = "auto",
) -> NDArray[np.floating]:
    """Sharpen arrays: pan (H, W), ms (C, h, w), any real type; returns (C, H, W), missing pixels NaN.

    ratio: PAN pixels per MS pixel (default H / h). phase: where the MS grid's first corner lies on the PAN grid,
    PAN pixels (row, column). sensor: a name from `fose.sensors`, for MTF gains and wavelengths (default generic).
    conventions: "scene" is what `sharpen` computes, float32; "reference" gives the MATLAB toolbox's numbers, float64,
    with its borders, kernels and phase (half a PAN pixel), which are not what a scene needs; PAN must then be a
    whole multiple of MS in size, and what the toolbox does not know (phase, nodata, resampling, register) is refused.
    method: a name, or a `fose.sharpener.Sharpener` of your own.
    tile: compute in tiles of this shape (rows, columns) instead of at once: the result is the same.
    device: as for `sharpen`.
    """
    pan, ms = _check_arrays(pan, ms)
    known = sensors.resolve(sensor, sensors.Metadata(count=len(ms)))
    sharpener = _sharpener(method, weights, device)
    if conventions == "reference":
        _check_reference(ratio, phase, nodata, resampling, register, pan, ms)
        return ReferenceScene.of(pan, ms, known).sharpen(sharpener)
    if conventions != "scene":
        raise InputError(f"conventions: expected scene or reference, found {conventions!r}")
    if tile is not None and min(tile) < 1:
        raise InputError(f"tile: expected rows and columns of at least 1 PAN pixel, found {tile}")
    pair = array_pair(pan.shape, ms.shape[1:], _ratio(ratio, pan, ms), phase)
    _check_overlap(pair)
    with ExitStack() as stack:
        stack.enter_context(threadpool_limits(1, user_api="blas"))
        pool = stack.enter_context(ThreadPoolExecutor(cores()))
        scene = JoinedScene(
            ArraySource.of(pan[None], nodata),
            ArraySource.of(ms, nodata),
            pair,
            kernel(resampling),
            known.gains,
            known.pan_gain,
            known.wavelengths,
            pool,
        )
        if register != "off":
            scene, _ = register_scene(scene, register, reference)
        image, valid = sharpen_to_array(scene, sharpener, tile)
        return image if valid is None else np.where(valid, image, np.float32(np.nan))


def _check_arrays(pan: NDArray[Any], ms: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    pan, ms = np.asarray(pan), np.asarray(ms)
    if pan.ndim != 2 or ms.ndim != 3 or 0 in pan.shape or 0 in ms.shape:
        raise InputError(f"expected pan (H, W) and ms (C, h, w), bands first; found {pan.shape} and {ms.shape}")
    for name, array in (("pan", pan), ("ms", ms)):
        if array.dtype.kind not in "uif":
            raise InputError(f"{name}: expected real numbers, found {array.dtype}")
    return pan, ms


def _ratio(given: float | None, pan: NDArray[Any], ms: NDArray[Any]) -> float:
    ratio = pan.shape[0] / ms.shape[1] if given is None else given
    if not 1 - 1e-6 <= ratio < np.inf:
        raise InputError(f"ratio: expected at least 1 PAN pixel per MS pixel, found {ratio:g}")
    if given is None and abs(pan.shape[1] - ratio * ms.shape[2]) > ratio:
        across = pan.shape[1] / ms.shape[2]
        raise InputError(
            f"expected one ratio of PAN {pan.shape} and MS {ms.shape[1:]}, found {ratio:g} by rows and {across:g} by "
            "columns; give ratio"
        )
    return ratio


def _check_reference(
    ratio: float | None,
    phase: tuple[float, float],
    nodata: float | None,
    resampling: str,
    register: str,
    pan: NDArray[Any],
    ms: NDArray[Any],
) -> None:
    """Refuse what the toolbox's conventions fix, rather than ignore it."""
    given = {
        "ratio": ratio is not None and abs(ratio - pan.shape[0] / ms.shape[1]) > 1e-6,
        "phase": tuple(phase) not in ((0.0, 0.0), (0.5, 0.5)),
        "nodata": nodata is not None,
        "resampling": resampling != Options.resampling,
        "register": register != "off",
    }
    wrong = ", ".join(name for name, differs in given.items() if differs)
    if wrong:
        raise InputError(f"conventions reference: the shapes and the toolbox fix {wrong}; leave it out or use scene")


def _check_overlap(pair: GridPair) -> None:
    rows = pair.rows.nearest(0, pair.shape[0], pair.ms_shape[0])
    cols = pair.cols.nearest(0, pair.shape[1], pair.ms_shape[1])
    if (rows < 0).all() or (cols < 0).all():
        raise InputError(f"phase: expected MS {pair.ms_shape} to overlap PAN {pair.shape}, found no common area")
