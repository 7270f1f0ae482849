"""The network on a CPU without PyTorch: ONNX Runtime, one session shared by all compute threads."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from fose.errors import InputError
from fose.sharpener import Array

HEADER = "fose"  # key of the file's metadata under which `fose train` says what the model is


class OnnxEngine:
    """Evaluates a model file; implements `fose.runtime.network.Engine`.

    Raises InputError where ONNX Runtime is missing or the file is not a model of fose.
    """

    def __init__(self, path: Path) -> None:
        self._session = _session(str(path))
        header = self._session.get_modelmeta().custom_metadata_map.get(HEADER)
        if header is None:
            raise InputError(f"expected a model that fose train wrote, found {path}; train or export it again")
        self.header: dict[str, Any] = json.loads(header)

    @property
    def base(self) -> bool:
        """Whether the model's result is relative to the classical base."""
        return bool(self.header["recipe"]["model"]["base"])

    def __call__(self, spatial: Array, spectral: Array, conditions: Array) -> Array:
        """x0 (C, H, W), float32."""
        feed = {"spatial": spatial, "spectral": spectral, "conditions": conditions}
        inputs = {name: np.ascontiguousarray(image, np.float32) for name, image in feed.items()}
        return np.asarray(self._session.run(["residual"], inputs)[0])


@lru_cache(maxsize=2)
def _session(path: str) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise InputError(
            f"the network needs ONNX Runtime, found none ({error}); pip install onnxruntime, or choose a classical "
            "--method"
        ) from error
    options = onnxruntime.SessionOptions()
    # The pipeline's compute threads run tiles side by side; a second level of threads would only contend.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # it would keep the largest tile's memory for the whole run
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own classes share no public base
        raise InputError(f"cannot read model {path}: {error}") from error
