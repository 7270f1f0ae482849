"""The processes that train together: torchrun starts them and says who is who; alone, there is one.

Every batch is a pure function of seed and step. Each process computes its share of it and gradients are averaged, so
that a run does not depend on how many processes it has. The first one alone validates and writes.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed

from fose.errors import InputError
from fose.training import device


@dataclass(frozen=True)
class World:
    """One process's view of them all."""

    device: torch.device
    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this process validates and writes."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """Which of `count` patches, a multiple of `size`, this process computes."""
        part = count // self.size
        return slice(self.rank * part, (self.rank + 1) * part)

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors, alike in all processes, by their mean over these."""
        if self.size == 1:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        distributed.all_reduce(flat)
        flat /= self.size
        means = torch.split(flat, [tensor.numel() for tensor in tensors])
        for tensor, mean in zip(tensors, means, strict=True):
            tensor.copy_(mean.view_as(tensor))

    def wait(self) -> None:
        """Until all processes are here."""
        if self.size > 1:
            distributed.barrier()


def size() -> int:
    """How many processes train together, by torchrun's environment."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Whether this is the first of them."""
    return os.environ.get("RANK", "0") == "0" or size() == 1


@contextmanager
def joined(name: str) -> Iterator[World]:
    """Join the others on the device called `name`: cpu, or cuda for one device each (cuda:N where alone).

    InputError where there is no such device.
    """
    if size() == 1:
        yield World(device.choose(name))
        return
    if name not in ("cpu", "cuda"):
        raise InputError(f"--device: expected cpu or cuda, of which each process takes one, found {name!r}")
    where = device.choose(name if name == "cpu" else f"cuda:{os.environ['LOCAL_RANK']}")
    if where.type == "cuda":
        torch.cuda.set_device(where)
    distributed.init_process_group("gloo" if where.type == "cpu" else "nccl")
    yield World(where, distributed.get_rank(), size())
    # Not after an error: leaving the group may wait for the others, and torchrun ends them as soon as this one ends.
    distributed.destroy_process_group()
