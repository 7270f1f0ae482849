"""What a run would do with a pair, without doing it."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fose.machine import cores
from fose.scene.register import register
from fose.scene.sharpen import Options, joined, open_pair, prepared


@dataclass(frozen=True)
class Inspection:
    """Facts about a pair, in plain values."""

    pan: str  # grid, in words
    ms: str
    pan_dtype: str
    ms_dtype: str
    bands: list[dict[str, Any]]  # description, name and wavelength (nm) as recognised, MTF gain
    ratio: float
    phase: tuple[float, float]  # MS corner on the output grid, PAN pixels (row, column)
    overlap: float  # share of PAN pixels that the output keeps
    output_shape: tuple[int, int, int]
    sensor: str
    sensor_evidence: str
    registration: dict[str, Any]
    registration_summary: str
    missing: dict[str, str | None]
    notes: list[str]


def inspect_files(pan: str | Path, ms: Sequence[str | Path], options: Options | None = None) -> Inspection:
    """Open, join and measure a pair; raises what `sharpen_files` would raise."""
    options = options or Options()
    with prepared(options) as stack:
        opened = open_pair(pan, ms, options, stack)
        pool = stack.enter_context(ThreadPoolExecutor(options.threads or cores()))
        scene = joined(opened, options, pool, ahead=4)
        _, registration = register(scene, options.register, options.reference)
        pan_info, ms_info, pair = opened.pan.info, opened.ms.info, opened.pair
        recognised = zip(ms_info.bands, opened.bands.names, opened.bands.wavelengths, opened.bands.gains, strict=True)
        return Inspection(
            pan=str(pan_info.grid),
            ms=str(ms_info.grid),
            pan_dtype=str(pan_info.dtype),
            ms_dtype=str(ms_info.dtype),
            bands=[
                {"description": band.description, "name": name, "wavelength_nm": wavelength, "mtf_gain": float(gain)}
                for band, name, wavelength, gain in recognised
            ],
            ratio=pair.ratio,
            phase=pair.phase,
            overlap=min(pair.shape[0] * pair.shape[1] / (pan_info.grid.shape[0] * pan_info.grid.shape[1]), 1.0),
            output_shape=(len(opened.ms), *pair.shape),
            sensor=opened.bands.sensor.name,
            sensor_evidence=opened.bands.reason,
            registration=registration.as_dict(),
            registration_summary=registration.summary,
            missing={"pan": _missing(pan_info), "ms": _missing(ms_info)},
            notes=list(opened.notes),
        )


def _missing(info: Any) -> str | None:
    if info.nodata is not None:
        return f"nodata {info.nodata:g}"
    return "alpha" if info.has_alpha else "mask" if info.has_mask else None
