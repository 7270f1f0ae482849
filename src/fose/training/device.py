"""Where a training computes, and in which precision."""

import re

import torch

from fose.errors import InputError


def choose(name: str) -> torch.device:
    """The device called `name`: cpu, cuda or cuda:N. InputError where it is no such name or there is no such device."""
    if name == "cpu":
        return torch.device(name)
    match = re.fullmatch(r"cuda(?::(\d+))?", name)
    if match is None:
        raise InputError(f"--device: expected cpu, cuda or cuda:N, found {name!r}")
    count = torch.cuda.device_count()
    index = int(match[1] or 0)
    if index >= count:
        some = "none" if not count else "cuda:0" if count == 1 else f"cuda:0 to cuda:{count - 1}"
        raise InputError(f"--device: expected a CUDA device of this machine ({some}), found {name}; try --device cpu")
    return torch.device("cuda", index)


def autocast(device: torch.device) -> torch.autocast:
    """bfloat16 where the device computes in it, else float32: a CPU that only emulates it would be slower."""
    fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type != "cpu" or fast)
