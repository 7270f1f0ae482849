"""The network on a CPU without PyTorch: OpenVINO, one stream per compute thread.

bfloat16 where the CPU computes in it, else float32. Measured beside ONNX Runtime and PyTorch in docs/benchmarks.md.
"""

import json
from functools import lru_cache
from pathlib import Path
from threading import Lock, local
from typing import Any

import numpy as np

from fose.errors import InputError
from fose.machine import cores
from fose.runtime.network import FOLD
from fose.sharpener import Array

HEADER = "fose"  # key of the file's metadata under which `fose train` says what the model is
PRECISIONS = {"bfloat16": "bf16", "float32": "f32"}


class OpenVinoEngine:
    """Evaluates a model file (ONNX); implements `fose.runtime.network.Engine`.

    precision: bfloat16, float32, or None for the fastest that the CPU has. Raises InputError where OpenVINO is missing
    or the file is not a model of fose.
    """

    def __init__(self, path: Path, precision: str | None = None) -> None:
        self._core, self._model, self.header = _read(str(path))
        fast = "BF16" in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        self.precision = precision or ("bfloat16" if fast else "float32")
        self._compiled: dict[tuple[int, ...], Any] = {}
        self._lock, self._mine = Lock(), local()

    @property
    def base(self) -> bool:
        """Whether the model's result is relative to the classical base."""
        return bool(self.header["recipe"]["model"]["base"])

    @property
    def receptive_field(self) -> int:
        """PAN pixels on each side that a prediction depends on."""
        return int(self.header["receptive_field"])

    def __call__(self, spatial: Array, spectral: Array, conditions: Array) -> Array:
        """x0 (C, H, W), float32."""
        feed = {"spatial": spatial, "spectral": spectral, "conditions": conditions}
        inputs = {name: np.ascontiguousarray(image, np.float32) for name, image in feed.items()}
        return _unfolded(self._request(inputs).infer(inputs, share_inputs=True)[0])

    def _request(self, inputs: dict[str, Array]) -> Any:
        """This thread's request for inputs of these shapes."""
        shape = inputs["spectral"].shape
        requests: dict[tuple[int, ...], Any] = self._mine.__dict__.setdefault("requests", {})
        if shape not in requests:
            with self._lock:
                if shape not in self._compiled:
                    self._compiled[shape] = self._compile({name: image.shape for name, image in inputs.items()})
            requests[shape] = self._compiled[shape].create_infer_request()
        return requests[shape]

    def _compile(self, shapes: dict[str, tuple[int, ...]]) -> Any:
        """The model for one shape of window: fixed shapes run twice as fast as free ones."""
        model = self._model.clone()
        model.reshape({name: list(shape) for name, shape in shapes.items()})
        threads = cores()
        config = {
            "INFERENCE_PRECISION_HINT": PRECISIONS[self.precision],
            # The pipeline's compute threads run tiles side by side: one stream for each, of one thread.
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": threads,
            "ENABLE_CPU_PINNING": False,
        }
        return self._core.compile_model(model, "CPU", config)


def _unfolded(cells: Array) -> Array:
    """(C, 16, h, w) as an image of its own (C, 4 h, 4 w); NumPy does it faster than the engine."""
    bands, _, height, width = cells.shape
    image = np.empty((bands, FOLD * height, FOLD * width), np.float32)
    parts = cells.reshape(bands, FOLD, FOLD, height, width).transpose(0, 3, 1, 4, 2)
    image.reshape(bands, height, FOLD, width, FOLD)[:] = parts
    return image


@lru_cache(maxsize=2)
def _read(path: str) -> tuple[Any, Any, dict[str, Any]]:
    try:
        import openvino
    except ImportError as error:
        raise InputError(
            f"the network needs OpenVINO, found none ({error}); pip install openvino, or choose a classical --method"
        ) from error
    core = openvino.Core()
    try:
        model = core.read_model(path)
        header = json.loads(model.get_rt_info(["framework", HEADER]).astype(str))
    except RuntimeError as error:
        raise InputError(
            f"expected a model that fose train wrote at {path}, found none ({str(error).strip().splitlines()[-1]}); "
            "train or export it again"
        ) from error
    if "receptive_field" not in header:
        raise InputError(f"expected a model of this version of fose, found {path}; train or export it again")
    return core, model, header
