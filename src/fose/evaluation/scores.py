"""What the protocols measure: the metrics by name, their direction, and the scores of one image."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from fose.errors import InputError
from fose.metrics import ssim, streaming
from fose.metrics.checks import Array, Mask, check_images
from fose.metrics.strips import ROWS, Accumulator

# SSIM sees the whole image at once, so it is measured up to this many pixels times bands (2048 x 2048 x 4).
SSIM_LIMIT = 2**24


@dataclass(frozen=True)
class Metric:
    """How to show a metric: decimals, whether more is better, and the unit."""

    digits: int
    higher: bool
    unit: str = ""


METRICS: Mapping[str, Metric] = {
    "SAM": Metric(3, False, "degrees"),
    "ERGAS": Metric(3, False),
    "Q2n": Metric(4, True),
    "Q_avg": Metric(4, True),
    "SCC": Metric(4, True),
    "PSNR": Metric(2, True, "dB"),
    "SSIM": Metric(4, True),
    "D_lambda": Metric(4, False),
    "D_s": Metric(4, False),
    "QNR": Metric(4, True),
    "D_lambda_K": Metric(4, False),
    "D_lambda_K_decimated": Metric(4, False),
    "HQNR": Metric(4, True),
}


@dataclass(frozen=True)
class Scores:
    """The scores of one image. `omitted` says why a metric is not among `values`; pixels are those of the image."""

    values: dict[str, float]
    omitted: dict[str, str] = field(default_factory=dict)
    pixels: int = 0
    missing: int = 0  # pixels left out because an image lacks them


class Gauge:
    """Several metrics of the same strips; one that cannot measure the image is left out, with the reason.

    metrics: by name, an accumulator and the names of the images that it takes.
    """

    def __init__(self, metrics: Mapping[str, tuple[Accumulator, Sequence[str]]]) -> None:
        self._metrics = dict(metrics)
        self.omitted: dict[str, str] = {}

    def update(self, images: Mapping[str, Array], valid: Mask | None) -> None:
        """Take the next strip of every image. InputError where shapes differ or a valid pixel is not finite."""
        check_images(images, valid)
        for name, (accumulator, wanted) in list(self._metrics.items()):
            try:
                accumulator.update(*(images[image] for image in wanted), valid=valid)
            except InputError as error:
                self._omit(name, error)

    def results(self) -> dict[str, float]:
        """The metrics that have a value."""
        found = {}
        for name, (accumulator, _) in list(self._metrics.items()):
            try:
                found[name] = accumulator.result()
            except InputError as error:
                self._omit(name, error)
        return found

    def _omit(self, name: str, error: InputError) -> None:
        self.omitted[name] = str(error)
        del self._metrics[name]


PAIR = ("reference", "fused")
PairStrip = tuple[Array, Array, Mask | None]  # reference, fused, valid


def with_reference(strips: Iterable[PairStrip], ratio: float | None, peak: float | None) -> Scores:
    """SAM, ERGAS, Q2n, Q_avg, SCC, PSNR and SSIM of full-width strips (C, h, W), in bounded memory.

    ratio: PAN pixels per MS pixel, for ERGAS; peak: the largest possible value, for PSNR and SSIM; without them those
    metrics are left out, as is SSIM of images that miss pixels or are above `SSIM_LIMIT`.
    Raises InputError where nothing can be measured and for pixels that count but are not finite.
    """
    gauge = Gauge({name: (accumulator, PAIR) for name, accumulator in _accumulators(ratio, peak).items()})
    kept: list[PairStrip] | None = None if peak is None else []
    pixels = missing = samples = 0
    for reference, fused, valid in strips:
        gauge.update({"reference": reference, "fused": fused}, valid)
        pixels += reference.shape[1] * reference.shape[2]
        missing += 0 if valid is None else int((~valid).sum())
        samples += reference.size
        kept = None if kept is None or missing or samples > SSIM_LIMIT else [*kept, (reference, fused, valid)]
    if pixels == missing:
        raise InputError("expected pixels that reference and fused both have, found none; check nodata and the grids")
    values, omitted = gauge.results(), gauge.omitted | _needs(ratio, peak)
    if kept and peak is not None:
        _add_ssim(kept, peak, values, omitted)
    elif peak is not None:
        omitted["SSIM"] = "SSIM is measured on images without missing pixels of up to 16 million pixels times bands"
    return complete(Scores(values, omitted, pixels, missing))


def complete(scores: Scores) -> Scores:
    """The scores, or InputError with the reason where there are none."""
    if not scores.values:
        raise InputError(f"nothing could be measured: {next(iter(scores.omitted.values()))}")
    return scores


def _accumulators(ratio: float | None, peak: float | None) -> dict[str, Accumulator]:
    chosen = {"SAM": streaming.sam()}
    if ratio is not None:
        chosen["ERGAS"] = streaming.ergas(ratio)
    chosen |= {"Q2n": streaming.q2n(), "Q_avg": streaming.q_avg(), "SCC": streaming.scc()}
    if peak is not None:
        chosen["PSNR"] = streaming.psnr(peak)
    return chosen


def _needs(ratio: float | None, peak: float | None) -> dict[str, str]:
    needs = {} if ratio is not None else {"ERGAS": "ERGAS needs the ratio of PAN and MS pixels: give --ratio"}
    return needs | (
        {} if peak is not None else {"PSNR, SSIM": "PSNR and SSIM need the largest possible value: give --peak"}
    )


def _add_ssim(kept: list[PairStrip], peak: float, values: dict[str, float], omitted: dict[str, str]) -> None:
    reference, fused = (np.concatenate([strip[index] for strip in kept], axis=1) for index in (0, 1))
    try:
        values["SSIM"] = ssim(reference, fused, peak)
    except InputError as error:
        omitted["SSIM"] = str(error)


def array_strips(reference: Array, fused: Array, valid: Mask | None = None, cut: int = 0) -> Iterator[PairStrip]:
    """Strips of two (C, H, W) arrays inside the border that `cut` removes. InputError for shapes that differ."""
    check_images({"reference": reference, "fused": fused}, valid)
    rows, cols = (inside(size, cut) for size in reference.shape[1:])
    for start in range(rows.start, rows.stop, ROWS):
        part = slice(start, min(start + ROWS, rows.stop))
        yield reference[:, part, cols], fused[:, part, cols], None if valid is None else valid[part, cols]


def inside(size: int, cut: int) -> slice:
    """What the toolboxes' border cut c leaves of a side: c - 1 pixels go at the start, c at the end; 0 cuts nothing.

    InputError where nothing is left.
    """
    if cut < 0:
        raise InputError(f"cut: expected 0 or more pixels, found {cut}")
    start, stop = max(cut - 1, 0), size - cut
    if stop <= start:
        raise InputError(f"cut: expected less than half of the image's {size} pixels, found {cut}; cut less")
    return slice(start, stop)
