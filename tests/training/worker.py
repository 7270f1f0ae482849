"""One process of test_processes.py: a training in float32 with short checks, and a watch on who writes.

torchrun worker.py RECIPE OUTPUT [STEP]: trains all stages, or stops the first one at STEP.
"""

import os
import sys
from pathlib import Path

import torch

from fose.training import loop, run

CHECK_EVERY, VALID_BATCHES = 2, 1


def only_the_first_writes(output):
    """Refuse whatever another process would write under `output`."""

    def watch(event, arguments):
        changing = event in ("os.mkdir", "os.rename") or (event == "open" and set(arguments[1] or "") & set("wax+"))
        if changing and str(arguments[0]).startswith(output):
            raise RuntimeError(f"process {os.environ['RANK']} writes {arguments[0]}")

    if os.environ["RANK"] != "0":
        sys.addaudithook(watch)


def stop_at(step):
    take = loop._step

    def stopping(state, bank, world):
        if state.step == step:
            raise SystemExit
        return take(state, bank, world)

    loop._step = stopping


if __name__ == "__main__":
    recipe, output, *stop = sys.argv[1:]
    torch.cpu._is_avx512_bf16_supported = torch.cpu._is_amx_tile_supported = lambda: False
    loop.CHECK_EVERY, loop.VALID_BATCHES = CHECK_EVERY, VALID_BATCHES
    only_the_first_writes(output)
    if stop:
        stop_at(int(stop[0]))
    run.train_all(run.prepare(recipe, "none"), Path(output), "cpu", 1, lambda *state: None)
