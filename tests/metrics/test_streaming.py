"""A scene measured strip by strip scores as the whole image, in memory that does not grow."""

import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fose import metrics
from fose.errors import InputError
from fose.metrics import streaming

Pair = Callable[[int, int, int], tuple[Any, Any]]

# name, parameters, number of images, height (a multiple of 32 where the metric demands it)
CASES = [
    ("sam", {}, 2, 77),
    ("ergas", {"ratio": 4}, 2, 77),
    ("psnr", {"peak": 2047}, 2, 77),
    ("psnr_pooled", {"peak": 2047}, 2, 77),
    ("scc", {}, 2, 77),
    ("q_avg", {}, 2, 77),
    ("q2n", {}, 2, 77),
    ("q2n", {"shift": 16}, 2, 65),
    ("q2n", {"block": 16, "shift": 5}, 2, 77),
    ("uqi", {}, 2, 96),
    ("d_lambda", {}, 2, 96),
    ("d_s", {}, 4, 96),
]


def images(pair: Pair, count: int, height: int) -> tuple[Any, ...]:
    reference, fused = pair(3, height, 64)
    return (reference, fused, reference.mean(axis=0), fused.mean(axis=0))[:count]


def cuts(height: int, heights: list[int]) -> Iterator[slice]:
    start = 0
    for step in heights:
        if start < height:
            yield slice(start, start + step)
        start += step
    if start < height:
        yield slice(start, height)


@pytest.mark.parametrize(("name", "parameters", "count", "height"), CASES)
@given(heights=st.lists(st.integers(1, 50), max_size=12), masked=st.booleans())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_strips_of_any_height_give_the_value_of_the_whole(
    pair: Pair, name: str, parameters: dict[str, Any], count: int, height: int, heights: list[int], masked: bool
) -> None:
    planes = images(pair, count, height)
    valid = np.ones((height, 64), dtype=bool)
    valid[40, 3] = not masked
    accumulator = getattr(streaming, name)(**parameters)
    for rows in cuts(height, heights):
        accumulator.update(*(plane[..., rows, :] for plane in planes), valid=valid[rows])
    expected = getattr(metrics, name)(*planes, **parameters, valid=valid)
    assert accumulator.result() == pytest.approx(expected, rel=1e-10, abs=1e-13)


def test_results_may_be_read_on_the_way(pair: Pair) -> None:
    reference, fused = pair(3, 128, 64)
    accumulator = streaming.q2n()
    accumulator.update(reference[:, :70], fused[:, :70])
    assert accumulator.result() == pytest.approx(metrics.q2n(reference[:, :70], fused[:, :70]))
    assert accumulator.result() == accumulator.result()
    accumulator.update(reference[:, 70:], fused[:, 70:])
    assert accumulator.result() == pytest.approx(metrics.q2n(reference, fused))


@pytest.mark.parametrize("name", ["sam", "scc", "q_avg", "q2n", "d_lambda"])
def test_memory_does_not_grow_with_the_scene(pair: Pair, name: str) -> None:
    reference, fused = pair(2, 64, 512)

    def peak(strips: int) -> int:
        accumulator = getattr(streaming, name)()
        tracemalloc.start()
        for _ in range(strips):
            accumulator.update(reference, fused)
        accumulator.result()
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(2)
    assert peak(16) < 1.1 * peak(4)


def test_q2n_of_a_megapixel_is_quick_and_small() -> None:
    reference = np.random.default_rng(3).integers(1, 2047, (8, 1024, 1024), dtype=np.uint16)
    start = time.perf_counter()
    metrics.q2n(reference, reference)
    assert time.perf_counter() - start < 3  # 0.25 s on a quiet core
    tracemalloc.start()
    metrics.q2n(reference, reference)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64e6  # one float64 copy of the image is 67 MB


def test_kept_rows_do_not_alias_the_caller_s_strips(pair: Pair) -> None:
    reference, fused = pair(2, 64, 64)
    accumulator = streaming.q_avg()
    buffer = np.empty((2, 2, 16, 64))
    for start in range(0, 64, 16):
        buffer[:] = reference[:, start : start + 16], fused[:, start : start + 16]
        accumulator.update(*buffer)
    assert accumulator.result() == pytest.approx(metrics.q_avg(reference, fused))


def test_misuse_is_refused(pair: Pair) -> None:
    reference, fused = pair(2, 64, 64)
    with pytest.raises(InputError, match="found none; call update before result"):
        streaming.sam().result()
    with pytest.raises(InputError, match="expected a strip of each of reference, fused, found 1"):
        streaming.sam().update(reference)
    accumulator = streaming.q_avg()
    accumulator.update(reference[:, :8], fused[:, :8])
    with pytest.raises(InputError, match="height: expected at least 32 pixels, found 8"):
        accumulator.result()
    with pytest.raises(InputError, match="like the strips before"):
        accumulator.update(reference[..., :40], fused[..., :40])
    with pytest.raises(InputError, match="like the strips before"):
        accumulator.update(reference[:1], fused[:1])
    blocks = streaming.d_lambda()
    blocks.update(reference[:, :40], fused[:, :40])
    with pytest.raises(InputError, match="height: expected a multiple of 32"):
        blocks.result()
