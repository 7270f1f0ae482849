"""Streaming first and second moments of several channels, in float64.

Merging follows Chan, Golub and LeVeque (1983), "Algorithms for computing the sample variance": each part is
centred on its own mean, so large offsets do not cost precision.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Samples converted to float64 at a time: few enough to stay in a core's cache.
CHUNK = 16384


@dataclass(frozen=True)
class Moments:
    """Count, means and centred cross-products of K channels."""

    count: int
    mean: NDArray[np.float64]  # (K,)
    scatter: NDArray[np.float64]  # (K, K), sum of (x - mean)(x - mean)^T

    @classmethod
    def of(cls, samples: NDArray[np.floating]) -> "Moments":
        """Moments of (K, n) samples of any floating type, computed in float64; n may be zero."""
        channels, count = samples.shape
        if count == 0:
            return cls(0, np.zeros(channels), np.zeros((channels, channels)))
        return cls.total(cls._of_chunk(samples[:, start : start + CHUNK]) for start in range(0, count, CHUNK))

    @classmethod
    def _of_chunk(cls, samples: NDArray[np.floating]) -> "Moments":
        centred = samples.astype(np.float64)
        mean = centred.mean(axis=1)
        centred -= mean[:, None]
        return cls(samples.shape[1], mean, centred @ centred.T)

    def __add__(self, other: "Moments") -> "Moments":
        count = self.count + other.count
        if count == 0:
            return self
        delta = other.mean - self.mean
        share = other.count / count
        return Moments(
            count,
            self.mean + delta * share,
            self.scatter + other.scatter + np.outer(delta, delta) * (self.count * share),
        )

    @classmethod
    def total(cls, parts: Iterable["Moments"]) -> "Moments":
        """Sum of parts in their order; ValueError when there is none."""
        iterator = iter(parts)
        try:
            result = next(iterator)
        except StopIteration:
            raise ValueError("expected at least one part to sum, found none") from None
        for part in iterator:
            result = result + part
        return result

    def channels(self, chosen: Sequence[int]) -> "Moments":
        """The moments of chosen channels, in that order; a channel may be repeated."""
        return Moments(self.count, self.mean[list(chosen)], self.scatter[np.ix_(chosen, chosen)])

    @property
    def covariance(self) -> NDArray[np.float64]:
        """(K, K) sample covariance, divisor N - 1 (zero where there are fewer than two samples)."""
        return self.scatter / max(self.count - 1, 1)

    @property
    def std(self) -> NDArray[np.float64]:
        """(K,) sample standard deviation, divisor N - 1."""
        return np.sqrt(np.diag(self.covariance))
