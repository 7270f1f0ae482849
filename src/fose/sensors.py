"""Which sensor took a scene and which band is which, from whatever the metadata says.

`guess` never decides on weak evidence: unless tags and file names point to one sensor and to one only, the answer is
``generic``, with wavelengths unknown except where band names or wavelength tags give them. `resolve` is `guess` with
the sensor named by the user. The numbers are in `fose.sensor_table`.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from statistics import median

import numpy as np
from numpy.typing import NDArray

from fose.errors import InputError
from fose.sensor_table import GENERIC, GENERIC_GAIN, SENSORS, Band, Sensor

__all__ = ["Band", "Guess", "Metadata", "Sensor", "get", "guess", "names", "resolve", "wavelength_nm"]

_SENSOR_KEYS = {
    *("sensor", "satellite", "satid", "satelliteid", "satellitename", "mission", "missionname"),
    *("spacecraft", "spacecraftid", "spacecraftname", "platform", "platformname"),
    *("isorce", "nitfisorce", "imagesource", "tifftagimagedescription", "imagedescription"),
}

# Order matters: each match is taken out of the text before the next is tried ("red edge" is not "red").
_BAND_WORDS = tuple(
    (re.compile(rf"(?<![a-z0-9])(?:{pattern})(?![a-z0-9])"), name)
    for pattern, name in (
        (r"thermal(?: ?infra ?red)? ?[12]?|(?:mid(?:dle)?|far|long) ?(?:wave )?infra ?red ?[12]?", "other"),
        *((rf"swir ?{index}|short ?wave infra ?red ?{index}", f"swir{index}") for index in range(3, 9)),
        (r"swir ?(?:2|22)|short ?wave infra ?red ?2", "swir2"),
        (r"swir ?(?:1|16)?|short ?wave infra ?red ?1?", "swir1"),
        (r"nir ?(?:2|09)|near ?infra ?red ?2|near ?ir ?2", "nir2"),
        (r"nir ?(?:1|08)?|(?:near ?)?infra ?red ?1?|near ?ir ?1?", "nir"),
        (r"red ?edge ?1?", "rededge"),
        (r"cirrus", "cirrus"),
        (r"coastal(?: ?(?:blue|aerosol))?|deep ?blue|ultra ?blue", "coastal"),
        (r"green ?(?:i|1)", "green1"),
        (r"green(?: ?(?:ii|2))?|grn", "green"),
        (r"blue|blu", "blue"),
        (r"yellow", "yellow"),
        (r"red", "red"),
    )
)

_COMMON_FOUR = frozenset(("blue", "green", "red", "nir"))
_WAVELENGTH_TOLERANCE = 5.0  # nm beyond a band's edge that a wavelength tag may lie and still name the band


@dataclass(frozen=True)
class Metadata:
    """What a reader knows about a scene, as plain values. Only `count` is required; absent evidence stays empty.

    Raises:
        InputError: `count` is below 1, or a sequence given per band does not have `count` entries.
    """

    count: int
    """Number of MS bands."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Tags of the MS file(s), metadata domains flattened as ``DOMAIN.KEY`` (such as ``IMD.IMAGE.SATID``)."""
    filenames: Sequence[str] = ()
    """MS file names or paths: one in all, or one for each band in band order."""
    descriptions: Sequence[str | None] = ()
    """Band descriptions (or colour interpretations: red, green, blue), one for each band; empty if there are none."""
    wavelengths: Sequence[float | None] = ()
    """Centre wavelengths from tags, nm, one for each band; empty if there are none."""
    pan_tags: Mapping[str, str] = field(default_factory=dict)
    """Tags of the PAN file."""
    pan_filename: str = ""
    """PAN file name or path."""
    ratio: float | None = None
    """PAN pixels per MS pixel; it appears in the reason only."""

    def __post_init__(self) -> None:
        if self.count < 1:
            raise InputError(f"count: expected at least one MS band, got {self.count}")
        for name in ("descriptions", "wavelengths"):
            found = len(getattr(self, name))
            if found not in (0, self.count):
                raise InputError(f"{name}: expected {self.count} entries, one for each MS band, or none, got {found}")


@dataclass(frozen=True)
class Guess:
    """A sensor and what each MS band is. `gains`, `pan_gain` and `wavelengths` are what ``Scene`` asks for."""

    sensor: Sensor
    """The sensor, ``generic`` when unsure."""
    bands: tuple[Band | None, ...]
    """What each MS band is, in file order; None where it is not known."""
    wavelengths: tuple[float | None, ...]
    """Centre wavelength of each band, nm: the tag's, else the table's, else None."""
    reason: str
    """One line for people: what the choice rests on."""

    @property
    def names(self) -> tuple[str, ...]:
        """Common name of each band; ``band 3`` where it is not known (counted from 1)."""
        return tuple(band.name if band else f"band {index}" for index, band in enumerate(self.bands, 1))

    @property
    def gains(self) -> NDArray[np.float64]:
        """(C,) MTF gain of each band at the MS Nyquist frequency, in (0, 1).

        A band that is not known has the median gain of its sensor's bands: .30 for ``generic``.
        """
        return np.array([band.gain if band else _usual_gain(self.sensor) for band in self.bands])

    @property
    def pan_gain(self) -> float:
        """MTF gain of PAN, in (0, 1)."""
        return self.sensor.pan_gain


def names() -> tuple[str, ...]:
    """Canonical names of all sensors, ``generic`` last."""
    return tuple(sensor.name for sensor in SENSORS)


def get(name: str) -> Sensor:
    """The sensor of that name or alias; case, punctuation and leading zeros do not count ("WV03", "wv-3").

    Raises:
        InputError: no sensor has that name; the message lists the names and the nearest one.
    """
    sensor = _ALIASES.get(_key(name))
    if sensor is None:
        close = get_close_matches(_key(name), _ALIASES, n=1)
        hint = f" (did you mean {_ALIASES[close[0]].name!r}?)" if close else ""
        raise InputError(f"unknown sensor {name!r}{hint}: expected one of: {', '.join(names())}")
    return sensor


def guess(metadata: Metadata) -> Guess:
    """Sensor and bands from tags and file names.

    Evidence is every tag that names a satellite (MS and PAN) and every file name. If all that speaks names one
    sensor, that is the sensor; if nothing speaks or two disagree, it is ``generic``.
    """
    evidence = [*_from_tags(metadata.tags), *_from_tags(metadata.pan_tags)]
    files = [*metadata.filenames, metadata.pan_filename]
    evidence += [(sensor, f"file name {_base(path)}") for path in files for sensor in _from_filename(path)]
    found = {sensor.name: (sensor, why) for sensor, why in reversed(evidence)}
    if len(found) == 1:
        ((sensor, why),) = found.values()
        return _identify(sensor, metadata, why)
    if found:
        return _identify(GENERIC, metadata, " and ".join(why for _, why in found.values()) + " disagree: generic")
    scale = f" at ratio {metadata.ratio:g}" if metadata.ratio else ""
    plural = "s" if metadata.count > 1 else ""
    return _identify(GENERIC, metadata, f"{metadata.count} band{plural}{scale}: generic")


def resolve(name: str | None, metadata: Metadata) -> Guess:
    """Sensor by the user's word, bands as in `guess`; None leaves the sensor to `guess`.

    Raises:
        InputError: no sensor has that name.
    """
    if name is None:
        return guess(metadata)
    sensor = get(name)
    return _identify(sensor, metadata, f"sensor {sensor.name} given")


def wavelength_nm(tags: Mapping[str, str]) -> float | None:
    """Centre wavelength in nm from the tags of one band, None where they have none that can be read.

    Reads ``WAVELENGTH`` with ``WAVELENGTH_UNITS`` (ENVI's; nanometres unless the unit or a value below 100 says
    micrometres) and GDAL's ``CENTRAL_WAVELENGTH_UM``; case ignored, domains flattened as in `Metadata.tags`.
    """
    plain = {_leaf(key): value for key, value in tags.items()}
    text = plain.get("centralwavelengthum") or plain.get("wavelength") or plain.get("centralwavelength")
    try:
        value = float(text or "nan")
    except ValueError:
        return None
    if not 0 < value < 1e5:
        return None
    return value * 1000 if value < 100 else value


def _identify(sensor: Sensor, metadata: Metadata, why: str) -> Guess:
    """Match the bands and put the pieces together."""
    bands, how = _match(sensor, metadata)
    tagged = metadata.wavelengths or (None,) * metadata.count
    wavelengths = tuple(
        given if given is not None else band.wavelength if band else None
        for given, band in zip(tagged, bands, strict=True)
    )
    return Guess(sensor, bands, wavelengths, f"{why}; {how}")


def _match(sensor: Sensor, metadata: Metadata) -> tuple[tuple[Band | None, ...], str]:
    """What each band is and, for the reason, how that is known. The first kind of evidence that speaks decides.

    1. descriptions that are band names, 2. descriptions that are the sensor's band codes, 3. file names, one for each
    band, that end in codes or hold names; wavelength tags then fill the bands still open. Only if all of this is
    silent does the place in the file count: all bands of the sensor, its blue, green, red and nir if there are four,
    the first ones if there are more bands than the sensor has. Other numbers of bands stay unknown.
    """
    bands = tuple(_by_name(sensor, text) for text in metadata.descriptions)
    how = "bands by name"
    if not any(bands):
        bands, how = _by_codes(sensor, metadata.descriptions, numbered=True), "bands by code"
    if not any(bands) and len(metadata.filenames) == metadata.count:
        stems = [_base(path).rpartition(".")[0] or _base(path) for path in metadata.filenames]
        bands, how = _by_codes(sensor, stems, numbered=False), "bands by file name"
        if not any(bands) and metadata.count > 1:
            named = tuple(_by_name(sensor, stem) for stem in stems)
            bands = named if len({band.name for band in named if band}) == metadata.count else ()
    if not any(bands):
        bands, how = (None,) * metadata.count, "bands by wavelength tags"
    if metadata.wavelengths:
        pairs = zip(bands, metadata.wavelengths, strict=True)
        bands = tuple(band or _by_wavelength(sensor, given) for band, given in pairs)
    if not any(bands) and not any(metadata.wavelengths):
        bands, how = _by_order(sensor, metadata.count)
    return bands, how


def _by_name(sensor: Sensor, text: str | None) -> Band | None:
    """The band that a text names, the sensor's own or else a typical one; None unless it names exactly one."""
    left = re.sub(r"[\W_]+", " ", (text or "").lower())
    found = []
    for pattern, name in _BAND_WORDS:
        left, hits = pattern.subn(" ", left)
        found += [name] * bool(hits)
    if len(found) != 1:
        return None
    for band in (*sensor.bands, *sensor.others):
        if band.name == found[0]:
            return band
    typical = (band for band in GENERIC.others if band.name == found[0])
    return next((replace(band, gain=_usual_gain(sensor)) for band in typical), None)


def _by_codes(sensor: Sensor, texts: Sequence[str | None], numbered: bool) -> tuple[Band | None, ...]:
    """Bands whose codes end the texts ("SR_B4"): all of them, each once, or none of them.

    Descriptions B1, B2, ... Bn may be mere numbers (`numbered`): they count only when n is all that the sensor has.
    """
    codes = {band.code: band for band in (*sensor.bands, *sensor.others) if band.code}
    ends = [re.sub(r"(?<=[A-Z])0+(?=\d)", "", re.split(r"[\W_]+", (text or "").upper())[-1]) for text in texts]
    if len(set(ends)) < len(ends) or not set(ends) <= set(codes):
        return ()
    if numbered and len(ends) != len(sensor.bands) and ends == [f"B{index + 1}" for index in range(len(ends))]:
        return ()
    return tuple(codes[end] for end in ends)


def _by_wavelength(sensor: Sensor, given: float | None) -> Band | None:
    """The sensor's band (a typical one for ``generic``) that holds a wavelength, the nearest centre if several do."""
    if given is None:
        return None
    candidates = [
        band
        for band in (*sensor.bands, *sensor.others)
        if abs(band.wavelength - given) <= band.width / 2 + _WAVELENGTH_TOLERANCE
    ]
    return min(candidates, key=lambda band: abs(band.wavelength - given), default=None)


def _by_order(sensor: Sensor, count: int) -> tuple[tuple[Band | None, ...], str]:
    """Bands by their place in the file, where the number of bands allows it."""
    known = len(sensor.bands)
    four = tuple(band for band in sensor.bands if band.name in _COMMON_FOUR)
    if known and count >= known:
        return (*sensor.bands, *(None,) * (count - known)), "bands by delivery order"
    if count == len(four) == 4:
        return four, f"bands taken as {', '.join(band.name for band in four)}"
    return (None,) * count, "bands unknown"


def _from_tags(tags: Mapping[str, str]) -> list[tuple[Sensor, str]]:
    """Sensors that tags name, each with its reason."""
    plain = {_leaf(key): value for key, value in tags.items()}
    found = []
    for key, value in tags.items():
        leaf = _leaf(key)
        if leaf not in _SENSOR_KEYS:
            continue
        text = f"{value} {plain.get('missionindex', '')}" if leaf == "mission" else value  # DIMAP: SPOT, 6
        exact = _ALIASES.get(_key(text))
        sensors = [exact] if exact else _mentioned(text)
        shown = " ".join(text.split())[:40]
        found += [(sensor, f"tag {key}={shown}") for sensor in sensors if sensor is not GENERIC]
    return found


def _from_filename(path: str) -> list[Sensor]:
    """Sensors that a file name names."""
    base = _base(path)
    patterned = [s for s in SENSORS if any(re.search(pattern, base, re.IGNORECASE) for pattern in s.files)]
    return patterned or _mentioned(base)


def _mentioned(text: str) -> list[Sensor]:
    """Sensors named inside a free text; longer aliases are taken out first ("Pléiades Neo" is not "Pléiades")."""
    left = _plain(text)
    found = []
    for pattern, sensor in _MENTIONS:
        left, hits = pattern.subn(" ", left)
        if hits and sensor not in found:
            found.append(sensor)
    return found


def _mention(alias: str) -> re.Pattern[str]:
    """Pattern of an alias in free text: "wv3" is found in "WV-03_x", not in "WV31" or "xwv3"."""
    parts = re.findall(r"[a-z]+|\d+", alias)
    body = r"[\W_]*".join(f"0*{part}" if part.isdigit() else part for part in parts)
    return re.compile(rf"(?<![a-z0-9]){body}" + (r"(?!\d)" if alias[-1].isdigit() else ""))


def _usual_gain(sensor: Sensor) -> float:
    """Median MTF gain of a sensor's bands, the default where it has none."""
    return median([band.gain for band in sensor.bands] or [GENERIC_GAIN])


def _plain(text: str) -> str:
    """Lower case without accents."""
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()


def _key(name: str) -> str:
    """A name for comparison: lower case letters and digits, numbers without leading zeros."""
    runs = re.findall(r"[a-z]+|\d+", _plain(name))
    return "".join(run.lstrip("0") or "0" if run.isdigit() else run for run in runs)


def _leaf(key: str) -> str:
    """The last part of a flattened tag name, letters and digits only: "IMD.IMAGE.SATID" is "satid"."""
    return re.sub(r"[^a-z0-9]", "", re.split(r"[.:/]", key.lower())[-1])


def _base(path: str) -> str:
    """File name without folders."""
    return re.split(r"[/\\]", path)[-1]


_ALIASES: Mapping[str, Sensor] = {
    _key(alias): sensor for sensor in SENSORS for alias in (sensor.name, sensor.title, *sensor.aliases)
}
_MENTIONS = tuple(
    (_mention(alias), sensor)
    for alias, sensor in sorted(_ALIASES.items(), key=lambda item: (-len(item[0]), item[0]))
    if len(alias) >= 3 and sensor is not GENERIC
)
