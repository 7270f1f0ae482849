"""The table of sensors: published band edges, and the MTF gains that filters are built from. Data only.

Wavelengths are nanometres. A gain is the amplitude of a band's modulation transfer function at its own Nyquist
frequency, in (0, 1); the gain of PAN is the one at the Nyquist frequency of PAN degraded by the ratio. "The toolbox"
is the reference pansharpening toolbox (Vivone et al., "A new benchmark based on recent advances in multispectral
pansharpening", IEEE GRSM 2021, in the DLPan copy; "v1.4" is its 2015 predecessor, "A critical comparison among
pansharpening algorithms", IEEE TGRS 2015). Where it has no value, `Sensor.gain_source` says that one is assumed.
"""

from dataclasses import dataclass

GENERIC_GAIN = 0.30
"""MTF gain of an MS band that nothing is known about: the toolbox's default."""

GENERIC_PAN_GAIN = 0.15
"""MTF gain of a PAN band that nothing is known about: the toolbox's default."""

ASSUMED = "assumed: MS .30, PAN .15, the toolbox's defaults"


@dataclass(frozen=True)
class Band:
    """One spectral band."""

    name: str
    """Common name: coastal, blue, green, yellow, red, rededge, nir, nir2, swir1, swir2, ..."""
    wavelength: float
    """Centre, nm."""
    width: float
    """Band width, nm, > 0: upper minus lower published edge."""
    gain: float
    """MTF gain at the MS Nyquist frequency, in (0, 1)."""
    code: str = ""
    """What products call it: ``B4`` in Landsat file names, ``B0`` in DIMAP; empty where there is no such code."""


@dataclass(frozen=True)
class Sensor:
    """One imager, its MS bands in delivery order and its PAN."""

    name: str
    """Canonical key, such as ``worldview-3``."""
    title: str
    """Name for people, such as ``WorldView-3``."""
    bands: tuple[Band, ...]
    """MS bands in the order of the files as delivered; empty for ``generic``."""
    pan: tuple[float, float] | None
    """Lower and upper edge of PAN, nm; None where the sensor has no PAN or nothing is known."""
    pan_gain: float
    """MTF gain of PAN, in (0, 1)."""
    bits: int | None
    """Bits of the digital numbers as delivered; None where it depends on the product or is not known."""
    ratio: float | None
    """PAN pixels per MS pixel; None where there is no PAN or it depends on the product."""
    gain_source: str
    """Where the gains come from, or that they are assumed."""
    band_source: str
    """Where the band edges come from."""
    aliases: tuple[str, ...] = ()
    """Other names, compared without case and punctuation."""
    others: tuple[Band, ...] = ()
    """Bands matched by name, code or wavelength only, never by their place in the file."""
    files: tuple[str, ...] = ()
    """Regular expressions (case ignored) of file names that no alias covers."""


def _bands(
    names: str, edges: str, gains: float | tuple[float, ...] = GENERIC_GAIN, codes: str = ""
) -> tuple[Band, ...]:
    """Bands from blank-separated names, ``low-high`` edges in nm, and codes; one gain for all or one for each."""
    labels = names.split()
    spans = [tuple(float(edge) for edge in span.split("-")) for span in edges.split()]
    values = gains if isinstance(gains, tuple) else (gains,) * len(labels)
    marks = codes.split() or [""] * len(labels)
    return tuple(
        Band(name, (low + high) / 2, high - low, gain, code)
        for name, (low, high), gain, code in zip(labels, spans, values, marks, strict=True)
    )


_BGRN = "blue green red nir"
_RGBN = "red green blue nir"
_EIGHT = "coastal blue green yellow red rededge nir nir2"
_EIGHT_EDGES = "400-450 450-510 510-580 585-625 630-690 705-745 770-895 860-1040"
_OLI = "coastal blue green red nir swir1 swir2"
_OLI_EDGES = "435-451 452-512 533-590 636-673 851-879 1566-1651 2107-2294"
_OLI_GAINS = (0.55, 0.55, 0.55, 0.55, 0.53, 0.53, 0.53)
_OLI_OTHERS = _bands("cirrus", "1363-1384", 0.53, "B9")
_CHINESE_EDGES = "450-520 520-590 630-690 770-890"
_TOOLBOX = "toolbox (DLPan genMTF)"

GENERIC = Sensor(
    "generic",
    "generic",
    bands=(),
    pan=None,
    pan_gain=GENERIC_PAN_GAIN,
    bits=None,
    ratio=None,
    gain_source=ASSUMED,
    band_source="typical centres and widths, used only for bands whose name or wavelength is given",
    aliases=("none", "unknown"),
    others=_bands(
        "coastal blue green1 green yellow red rededge nir nir2 cirrus swir1 swir2",
        "405-451 450-510 513-531 531-583 590-620 630-690 700-745 765-900 900-1000 1360-1390 1550-1680 2080-2320",
    ),
)
"""Nothing is known about the sensor. Its `others` are what a band called "red", or a wavelength of 660 nm, means."""

SENSORS: tuple[Sensor, ...] = (
    Sensor(
        "worldview-2",
        "WorldView-2",
        _bands(_EIGHT, _EIGHT_EDGES, (0.35,) * 7 + (0.27,), "C B G Y R RE N N2"),
        pan=(450, 800),
        pan_gain=0.11,
        bits=11,
        ratio=4,
        gain_source=_TOOLBOX,
        band_source="Disasters Charter mission page",
        aliases=("wv2", "worldview02"),
    ),
    Sensor(
        "worldview-3",
        "WorldView-3",
        _bands(_EIGHT, _EIGHT_EDGES, (0.325, 0.355, 0.36, 0.35, 0.365, 0.36, 0.335, 0.315), "C B G Y R RE N N2"),
        pan=(450, 800),
        pan_gain=0.14,
        bits=11,
        ratio=4,
        gain_source=_TOOLBOX + "; swir1..swir8 assumed .30",
        band_source="Disasters Charter mission page; Catalyst (SWIR)",
        aliases=("wv3",),
        others=_bands(
            "swir1 swir2 swir3 swir4 swir5 swir6 swir7 swir8",
            "1195-1225 1550-1590 1640-1680 1710-1750 2145-2185 2185-2225 2235-2285 2295-2365",
            codes="S1 S2 S3 S4 S5 S6 S7 S8",
        ),
    ),
    Sensor(
        "worldview-4",
        "WorldView-4",
        _bands(_BGRN, "450-510 510-580 655-690 780-920", 0.23, "B G R N"),
        pan=(450, 800),
        pan_gain=0.16,
        bits=11,
        ratio=4,
        gain_source=_TOOLBOX + "; v1.4 has .355 .360 .365 .335",
        band_source="DigitalGlobe data sheet (recalled; centres checked)",
        aliases=("wv4",),
    ),
    Sensor(
        "quickbird",
        "QuickBird",
        _bands(_BGRN, "450-520 520-600 630-690 760-900", (0.34, 0.32, 0.30, 0.22), "B G R N"),
        pan=(445, 900),
        pan_gain=0.15,
        bits=11,
        ratio=4,
        gain_source=_TOOLBOX,
        band_source="DigitalGlobe, in Gao, Digital Analysis of Remotely Sensed Imagery, table 2.20",
        aliases=("qb", "qb2", "quickbird2"),
    ),
    Sensor(
        "ikonos",
        "IKONOS",
        _bands(_BGRN, "445-516 506-595 632-698 757-853", (0.26, 0.28, 0.29, 0.28), "BLU GRN RED NIR"),
        pan=(450, 900),
        pan_gain=0.17,
        bits=11,
        ratio=4,
        gain_source=_TOOLBOX,
        band_source="GeoEye, in Gao, Digital Analysis of Remotely Sensed Imagery, table 2.19",
        aliases=("ik", "ik1", "ik2", "ikonos2"),
        files=(r"^po_\d+_(blu|grn|red|nir|rgb|bgrn|msi|pan)_",),
    ),
    Sensor(
        "geoeye-1",
        "GeoEye-1",
        _bands(_BGRN, "450-510 510-580 655-690 780-920", 0.23, "B G R N"),
        pan=(450, 800),
        pan_gain=0.16,
        bits=11,
        ratio=4,
        gain_source=_TOOLBOX,
        band_source="Disasters Charter mission page",
        aliases=("geoeye", "ge1"),
    ),
    Sensor(
        "pleiades",
        "Pléiades 1A/1B",
        _bands(_RGBN, "590-710 500-620 430-550 740-940", codes="B2 B1 B0 B3"),
        pan=(470, 830),
        pan_gain=GENERIC_PAN_GAIN,
        bits=12,
        ratio=4,
        gain_source="toolbox v1.4 (MS .30); PAN assumed .15",
        band_source="Catalyst; order of DIMAP files B2 B1 B0 B3",
        aliases=("phr", "phr1a", "phr1b", "pleiades1a", "pleiades1b", "pleiadeshr"),
    ),
    Sensor(
        "pleiades-neo",
        "Pléiades Neo",
        _bands(
            "red green blue nir rededge coastal",
            "620-690 530-590 450-520 770-880 700-750 400-450",
            codes="R G B N RE DB",
        ),
        pan=(450, 800),
        pan_gain=GENERIC_PAN_GAIN,
        bits=12,
        ratio=4,
        gain_source=ASSUMED,
        band_source="Airbus technical sheet (recalled; PAN, coastal, blue, rededge checked)",
        aliases=("pneo",),
    ),
    Sensor(
        "spot-5",
        "SPOT 5 HRG",
        _bands("nir red green swir1", "780-890 610-680 500-590 1580-1750", codes="XS3 XS2 XS1 XS4"),
        pan=(490, 690),
        pan_gain=GENERIC_PAN_GAIN,
        bits=8,
        ratio=None,
        gain_source=ASSUMED,
        band_source="CNES (spot5.cnes.fr); ratio 2 or, in supermode, 4",
        aliases=("s5", "sp5"),
    ),
    Sensor(
        "spot-6-7",
        "SPOT 6/7",
        _bands(_RGBN, "625-695 530-590 450-520 760-890", codes="B2 B1 B0 B3"),
        pan=(450, 745),
        pan_gain=GENERIC_PAN_GAIN,
        bits=12,
        ratio=4,
        gain_source=ASSUMED,
        band_source="DINAMIS; order of DIMAP files B2 B1 B0 B3",
        aliases=("spot6", "spot7", "s6", "s7", "sp6", "sp7"),
    ),
    Sensor(
        "landsat-7",
        "Landsat 7 ETM+",
        _bands(
            "blue green red nir swir1 swir2",
            "450-515 525-605 630-690 775-900 1550-1750 2090-2350",
            codes="B1 B2 B3 B4 B5 B7",
        ),
        pan=(520, 900),
        pan_gain=GENERIC_PAN_GAIN,
        bits=8,
        ratio=2,
        gain_source=ASSUMED,
        band_source="USGS",
        aliases=("l7", "le7", "etm", "landsat7etm"),
        files=(r"^LE7\d{13}",),
    ),
    Sensor(
        "landsat-8",
        "Landsat 8 OLI",
        _bands(_OLI, _OLI_EDGES, _OLI_GAINS, "B1 B2 B3 B4 B5 B6 B7"),
        pan=(503, 676),
        pan_gain=GENERIC_PAN_GAIN,
        bits=16,
        ratio=2,
        gain_source="toolbox v1.4 (blue, green, red .55, nir .53); assumed: coastal as blue, SWIR as nir, PAN .15",
        band_source="NASA, half-maximum edges (recalled; within 5 nm of the rounded ones of USGS)",
        aliases=("l8", "lc8", "lo8", "landsat8oli"),
        others=_OLI_OTHERS,
        files=(r"^L[CO]8\d{13}",),
    ),
    Sensor(
        "landsat-9",
        "Landsat 9 OLI-2",
        _bands(_OLI, _OLI_EDGES, _OLI_GAINS, "B1 B2 B3 B4 B5 B6 B7"),
        pan=(503, 676),
        pan_gain=GENERIC_PAN_GAIN,
        bits=16,
        ratio=2,
        gain_source="assumed: those of Landsat 8, of which it is a near copy",
        band_source="those of Landsat 8 OLI; USGS states one set of bands for both",
        aliases=("l9", "lc9", "lo9", "landsat9oli", "landsat9oli2"),
        others=_OLI_OTHERS,
    ),
    Sensor(
        "gaofen-1",
        "GaoFen-1 PMS",
        _bands(_BGRN, _CHINESE_EDGES),
        pan=(450, 900),
        pan_gain=GENERIC_PAN_GAIN,
        bits=10,
        ratio=4,
        gain_source=ASSUMED,
        band_source="Peng and Zhang, 2019, table 1 (gtzyyg.com)",
        aliases=("gf1",),
    ),
    Sensor(
        "gaofen-2",
        "GaoFen-2 PMS",
        _bands(_BGRN, _CHINESE_EDGES),
        pan=(450, 900),
        pan_gain=GENERIC_PAN_GAIN,
        bits=10,
        ratio=4,
        gain_source="toolbox: not listed, so its default .30, PAN .15",
        band_source="eo-atlas.org, PMS-2",
        aliases=("gf2",),
    ),
    Sensor(
        "superview-1",
        "SuperView-1",
        _bands(_BGRN, _CHINESE_EDGES),
        pan=(450, 900),
        pan_gain=GENERIC_PAN_GAIN,
        bits=11,
        ratio=4,
        gain_source=ASSUMED,
        band_source="WMO OSCAR, as read by EOReader",
        aliases=("sv1", "gaojing1", "gj1"),
    ),
    Sensor(
        "jilin-1",
        "Jilin-1 (GF03B, KF01)",
        _bands(_BGRN, "450-510 510-580 630-690 770-895"),
        pan=(450, 700),
        pan_gain=GENERIC_PAN_GAIN,
        bits=None,
        ratio=4,
        gain_source=ASSUMED,
        band_source="Catalyst (PAN, blue); green, red, nir recalled; others of the family differ by 20 nm",
        aliases=("jl1", "jl1gf", "jl1gf02", "jl1gf03", "jl1kf01", "jilin1gf02", "jilin1gf03"),
    ),
    Sensor(
        "kompsat-3",
        "KOMPSAT-3/3A",
        _bands(_BGRN, "450-520 520-600 630-690 760-900", codes="B G R N"),
        pan=(450, 900),
        pan_gain=GENERIC_PAN_GAIN,
        bits=14,
        ratio=4,
        gain_source=ASSUMED,
        band_source="Catalyst",
        aliases=("kompsat3a", "k3", "k3a", "arirang3", "arirang3a"),
        files=(r"^K3A?_\d{14}",),
    ),
    Sensor(
        "triplesat",
        "TripleSat",
        _bands(_BGRN, "440-510 510-590 600-670 760-910"),
        pan=(450, 650),
        pan_gain=GENERIC_PAN_GAIN,
        bits=10,
        ratio=4,
        gain_source=ASSUMED,
        band_source="Catalyst",
        aliases=("beijing2", "bj2", "dmc3"),
    ),
    Sensor(
        "skysat",
        "SkySat",
        _bands(_BGRN, "450-515 515-595 605-695 740-900"),
        pan=(450, 900),
        pan_gain=GENERIC_PAN_GAIN,
        bits=12,
        ratio=1,
        gain_source=ASSUMED,
        band_source="Planet (docs.planet.com); PAN and MS are delivered at one pixel size",
        files=(r"_ssc\d+(d\d)?_",),
    ),
    Sensor(
        "planetscope",
        "PlanetScope SuperDove",
        _bands(
            "coastal blue green1 green yellow red rededge nir",
            "431-452 465-515 513-549 547-583 600-620 650-680 697-713 845-885",
        ),
        pan=None,
        pan_gain=GENERIC_PAN_GAIN,
        bits=12,
        ratio=None,
        gain_source=ASSUMED,
        band_source="Planet (support.planet.com); it has no PAN",
        aliases=("superdove", "psbsd", "planetscope8band"),
        files=(r"_3[AB]_AnalyticMS",),
    ),
    GENERIC,
)
"""Every sensor, `GENERIC` last."""
