"""The network on a CPU without PyTorch: ONNX Runtime, one session shared by all compute threads."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from fose.sharpener import Array


class OnnxEngine:
    """Evaluates a model file; implements `fose.runtime.network.Engine`."""

    def __init__(self, path: Path) -> None:
        self._session = _session(str(path))

    def __call__(self, spatial: Array, spectral: Array, conditions: Array) -> Array:
        """x0 (C, H, W), float32."""
        feed = {"spatial": spatial, "spectral": spectral, "conditions": conditions}
        inputs = {name: np.ascontiguousarray(image, np.float32) for name, image in feed.items()}
        return np.asarray(self._session.run(["residual"], inputs)[0])


@lru_cache(maxsize=2)
def _session(path: str) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # The pipeline's compute threads run tiles side by side; a second level of threads would only contend.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # it would keep the largest tile's memory for the whole run
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
