"""The sensor table and the guess. Run as a script, this file rewrites the table in docs/sensors.md."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

from fose import sensors
from fose.errors import InputError
from fose.sensor_table import GENERIC, SENSORS, Band, Sensor
from fose.sensors import Metadata

ROOT = Path(__file__).parents[1]
DOC = ROOT / "docs" / "sensors.md"
SHARED = Path(os.environ.get("FOSE_SHARED", ROOT.parent / "shared"))
KNOWN = [sensor for sensor in SENSORS if sensor is not GENERIC]


def doc_rows() -> list[str]:
    def gain(value: float) -> str:
        return f"{value:.3f}".rstrip("0").removeprefix("0")

    def row(sensor: Sensor) -> str:
        bands = ", ".join(f"{band.name} {band.wavelength:g} ({gain(band.gain)})" for band in sensor.bands) or "–"
        pan = f"{sensor.pan[0]:g}–{sensor.pan[1]:g}" if sensor.pan else "–"
        cells = (f"`{sensor.name}`", bands, f"{pan} ({gain(sensor.pan_gain)})", str(sensor.bits or "–"))
        cells += (f"{sensor.ratio:g}" if sensor.ratio else "–", sensor.gain_source, sensor.band_source)
        return f"| {' | '.join(cells)} |"

    head = ["| sensor | bands: nm (gain) | PAN: nm (gain) | bits | ratio | gains from | bands from |"]
    return [*head, "|---|---|---|---|---|---|---|", *(row(sensor) for sensor in SENSORS)]


@pytest.mark.parametrize("sensor", SENSORS, ids=lambda sensor: sensor.name)
def test_table_is_sane(sensor):
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", sensor.name)
    assert 0 < sensor.pan_gain < 1
    assert sensor.gain_source
    assert sensor.band_source
    for band in (*sensor.bands, *sensor.others):
        assert 0 < band.gain < 1
        assert band.width > 0
        assert 350 < band.wavelength - band.width / 2 < band.wavelength + band.width / 2 < 2500
    if sensor.pan:
        assert 400 < sensor.pan[0] < sensor.pan[1] < 1000
    for field in ("name", "code"):
        values = [getattr(band, field) for band in sensor.bands if getattr(band, field)]
        assert len(set(values)) == len(values)


@pytest.mark.parametrize("sensor", KNOWN, ids=lambda sensor: sensor.name)
def test_every_name_leads_to_its_sensor(sensor):
    for name in (sensor.name, sensor.title, *sensor.aliases):
        assert sensors.get(name) is sensor
        assert sensors.get(f" {name.upper()} ") is sensor
    assert {"blue", "green", "red", "nir"} & {band.name for band in sensor.bands}


def test_names_are_unique_and_generic_is_last():
    assert len(set(sensors.names())) == len(SENSORS)
    assert sensors.names()[-1] == "generic"
    claims = [(sensors._key(alias), s.name) for s in SENSORS for alias in {s.name, s.title, *s.aliases}]
    owners = {alias: {name for key, name in claims if key == alias} for alias, _ in claims}
    assert all(len(found) == 1 for found in owners.values())


@pytest.mark.parametrize(
    ("name", "gains", "pan_gain"),
    [  # reference toolbox, genMTF
        ("quickbird", (0.34, 0.32, 0.30, 0.22), 0.15),
        ("ikonos", (0.26, 0.28, 0.29, 0.28), 0.17),
        ("geoeye-1", (0.23,) * 4, 0.16),
        ("worldview-4", (0.23,) * 4, 0.16),
        ("worldview-2", (0.35,) * 7 + (0.27,), 0.11),
        ("worldview-3", (0.325, 0.355, 0.360, 0.350, 0.365, 0.360, 0.335, 0.315), 0.14),
        ("gaofen-2", (0.30,) * 4, 0.15),
        ("generic", (0.30,) * 4, 0.15),
    ],
)
def test_gains_are_the_toolbox_s(name, gains, pan_gain):
    guess = sensors.resolve(name, Metadata(count=len(gains)))
    np.testing.assert_array_equal(guess.gains, gains)
    assert guess.pan_gain == pan_gain


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("WV3", "worldview-3"),
        ("wv-3", "worldview-3"),
        ("WV03", "worldview-3"),
        ("GeoEye1", "geoeye-1"),
        ("QB02", "quickbird"),
        ("LC08", "landsat-8"),
        ("LANDSAT_8", "landsat-8"),
        ("landsat-9", "landsat-9"),
        ("LE07", "landsat-7"),
        ("ETM+", "landsat-7"),
        ("PHR", "pleiades"),
        ("Pléiades", "pleiades"),
        ("PNEO", "pleiades-neo"),
        ("GF2", "gaofen-2"),
        ("S6", "spot-6-7"),
        ("SPOT 7", "spot-6-7"),
        ("K3A", "kompsat-3"),
    ],
)
def test_aliases(alias, name):
    assert sensors.get(alias).name == name


def test_unknown_name_lists_names_and_the_nearest():
    with pytest.raises(InputError, match=r"unknown sensor 'worldveiw-2' \(did you mean 'worldview-2'\?\): .*quickbird"):
        sensors.get("worldveiw-2")
    with pytest.raises(InputError, match=r"unknown sensor '': expected one of: worldview-2, "):
        sensors.get("")


@pytest.mark.parametrize(
    ("tags", "name"),
    [
        ({"SENSOR": "QuickBird"}, "quickbird"),
        ({"SENSOR": "WorldView-2 (4 bands, SpaceNet 6)"}, "worldview-2"),
        ({"SATELLITE": "GF1", "SENSOR": "PMS1"}, "gaofen-1"),
        ({"IMD.IMAGE.SATID": '"WV02";'}, "worldview-2"),
        ({"satId": "GE01"}, "geoeye-1"),
        ({"IMAGERY.SATELLITEID": "PHR 1A"}, "pleiades"),
        ({"SPACECRAFT_ID": "LANDSAT_9", "SENSOR_ID": "OLI_TIRS"}, "landsat-9"),
        ({"NITF_ISORCE": "QB02"}, "quickbird"),
        ({"TIFFTAG_IMAGEDESCRIPTION": "IKONOS bundle, 11 bit"}, "ikonos"),
        ({"MISSION": "SPOT", "MISSION_INDEX": "6"}, "spot-6-7"),
        ({"MISSION": "SPOT", "MISSION_INDEX": "5"}, "spot-5"),
        ({"MISSION": "PNEO", "MISSION_INDEX": "3"}, "pleiades-neo"),
        ({"MISSION": "SPOT"}, "generic"),
        ({"SENSOR": "unknown DigitalGlobe"}, "generic"),
        ({"SENSOR": "unknown"}, "generic"),
        ({"TIFFTAG_SOFTWARE": "QuickBird tools"}, "generic"),
        ({"SENSOR": "QuickBird", "SATELLITE": "IKONOS"}, "generic"),
        ({"TIFFTAG_IMAGEDESCRIPTION": "QuickBird resampled to WorldView-2"}, "generic"),
    ],
)
def test_guess_from_tags(tags, name):
    assert sensors.guess(Metadata(count=4, tags=tags)).sensor.name == name
    assert sensors.guess(Metadata(count=4, pan_tags=tags)).sensor.name == name


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("LC08_L1TP_193029_20200101_20200823_02_T1_B4.TIF", "landsat-8"),
        ("LC80200392015216LGN00_B8.TIF", "landsat-8"),
        ("LE07_L1TP_034032_B8.TIF", "landsat-7"),
        ("LE70340322000123EDC00_B8.TIF", "landsat-7"),
        ("/data/worldview-2/WV03N33_174861E069.tif", "worldview-3"),
        ("C:\\x\\WV02_20100101.tif", "worldview-2"),
        ("IMG_PHR1A_MS_201201021234567_ORT_1.TIF", "pleiades"),
        ("IMG_PNEO3_202111151358313_MS-FS_ORT_RGB_R1C1.TIF", "pleiades-neo"),
        ("IMG_SPOT7_MS_201501010000000_R1C1.TIF", "spot-6-7"),
        ("GF2_PMS1_E116.9_N39.5_20160101_L1A0001-MSS1.tiff", "gaofen-2"),
        ("JL1GF03B_PMS_20200101_MSS.tif", "jilin-1"),
        ("JL1KF01A_PMS04_20200101.tif", "jilin-1"),
        ("po_58204_red_0000000.tif", "ikonos"),
        ("QB02_ortho.tif", "quickbird"),
        ("GE01_ms.tif", "geoeye-1"),
        ("K3_20130101012345_04567_L1G_B.tif", "kompsat-3"),
        ("SV1-01_20170101_L2A_MUX.tif", "superview-1"),
        ("20200807_104502_ssc7d3_0021_analytic.tif", "skysat"),
        ("20200801_100000_1020_3B_AnalyticMS_8b.tif", "planetscope"),
        ("10MAR19012345-M1BS-052000_01_P001.TIF", "generic"),
        ("page1.tif", "generic"),
        ("JL101A_PMS_20160101_MSS.tif", "generic"),
        ("landsat8_like_wv2.tif", "generic"),
    ],
)
def test_guess_from_file_names(path, name):
    assert sensors.guess(Metadata(count=4, filenames=[path])).sensor.name == name
    assert sensors.guess(Metadata(count=4, pan_filename=path)).sensor.name == name


def test_reason_says_what_it_rests_on():
    tagged = sensors.guess(Metadata(count=4, tags={"SENSOR": "QuickBird"}))
    assert tagged.reason == "tag SENSOR=QuickBird; bands by delivery order"
    filed = sensors.guess(Metadata(count=8, filenames=["a/WV03_x.tif"]))
    assert filed.reason == "file name WV03_x.tif; bands by delivery order"
    nothing = sensors.guess(Metadata(count=4, ratio=4.0))
    assert nothing.reason == "4 bands at ratio 4: generic; bands unknown"
    both = sensors.guess(Metadata(count=4, tags={"SENSOR": "QuickBird"}, filenames=["WV03_x.tif"]))
    assert both.sensor is GENERIC
    assert re.fullmatch("(?=.*SENSOR=QuickBird)(?=.*WV03_x).* disagree: generic; bands unknown", both.reason)
    given = sensors.resolve("GF2", Metadata(count=4, tags={"SENSOR": "QuickBird"}))
    assert given.reason == "sensor gaofen-2 given; bands by delivery order"


def test_generic_knows_nothing_until_bands_are_named():
    bare = sensors.guess(Metadata(count=3))
    assert bare.names == ("band 1", "band 2", "band 3")
    assert bare.wavelengths == (None, None, None)
    np.testing.assert_array_equal(bare.gains, [0.3, 0.3, 0.3])
    numbered = sensors.guess(Metadata(count=4, descriptions=["b1", "b2", "b3", "b4"]))
    assert numbered.wavelengths == (None,) * 4
    named = sensors.guess(Metadata(count=3, descriptions=["Red", None, "NIR"]))
    assert named.names == ("red", "band 2", "nir")
    assert named.wavelengths == (660, None, 832.5)


def test_every_known_sensor_by_delivery_order():
    for sensor in KNOWN:
        guess = sensors.resolve(sensor.name, Metadata(count=len(sensor.bands)))
        assert guess.bands == sensor.bands
        assert guess.wavelengths == tuple(band.wavelength for band in sensor.bands)
        more = sensors.resolve(sensor.name, Metadata(count=len(sensor.bands) + 2))
        assert more.bands == (*sensor.bands, None, None)
        assert sensors.resolve(sensor.name, Metadata(count=1)).bands == (None,)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("worldview-2", ("blue", "green", "red", "nir")),
        ("landsat-8", ("blue", "green", "red", "nir")),
        ("pleiades-neo", ("red", "green", "blue", "nir")),
        ("planetscope", ("blue", "green", "red", "nir")),
        ("pleiades", ("red", "green", "blue", "nir")),
    ],
)
def test_four_unnamed_bands_are_the_common_four(name, expected):
    assert sensors.resolve(name, Metadata(count=4)).names == expected


def test_three_unnamed_bands_stay_unknown_with_the_sensor_s_usual_gain():
    guess = sensors.resolve("landsat-8", Metadata(count=3))
    assert guess.wavelengths == (None, None, None)
    np.testing.assert_array_equal(guess.gains, [0.55] * 3)
    assert guess.reason.endswith("bands unknown")


def test_names_win_over_the_place_in_the_file():
    guess = sensors.resolve("worldview-2", Metadata(count=4, descriptions=["red", "green", "blue", "nir"]))
    assert guess.wavelengths == (660, 545, 480, 832.5)
    np.testing.assert_array_equal(guess.gains, [0.35] * 4)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Red Edge", "rededge"),
        ("red-edge", "rededge"),
        ("rededge", "rededge"),
        ("NIR1", "nir"),
        ("nir08", "nir"),
        ("Near Infrared", "nir"),
        ("Near Infra-Red 2", "nir2"),
        ("nir09", "nir2"),
        ("Coastal Blue", "coastal"),
        ("coastal_aerosol", "coastal"),
        ("Deep blue", "coastal"),
        ("B2 (blue)", "blue"),
        ("band_1_GREEN", "green"),
        ("green_i", "green1"),
        ("swir16", "swir1"),
        ("SWIR 2", "swir2"),
        ("Shortwave Infrared 1", "swir1"),
        ("Yellow", "yellow"),
        ("Thermal Infrared 1", None),
        ("mid-infrared", None),
        ("reduced", None),
        ("red minus blue", None),
        ("band 3", None),
        ("", None),
        (None, None),
    ],
)
def test_band_names(text, name):
    band = sensors.guess(Metadata(count=1, descriptions=[text])).bands[0]
    assert (band.name if band else None) == name


def test_a_named_band_the_sensor_lacks_is_typical_and_has_its_usual_gain():
    guess = sensors.resolve("geoeye-1", Metadata(count=2, descriptions=["yellow", "red"]))
    assert guess.names == ("yellow", "red")
    assert guess.wavelengths == (605, 672.5)
    np.testing.assert_array_equal(guess.gains, [0.23, 0.23])


def test_worldview_3_swir_is_its_own():
    guess = sensors.resolve("worldview-3", Metadata(count=2, descriptions=["SWIR1", "swir 8"]))
    assert guess.wavelengths == (1210, 2330)


@pytest.mark.parametrize(
    ("sensor", "descriptions", "expected"),
    [
        ("landsat-8", ["B4", "B3", "B2", "B5"], ("red", "green", "blue", "nir")),
        ("landsat-8", ["SR_B5", "SR_B04"], ("nir", "red")),
        ("landsat-8", ["B1", "B2", "B3", "B4"], ("blue", "green", "red", "nir")),
        ("landsat-8", [f"B{i}" for i in range(1, 8)], tuple(b.name for b in sensors.get("landsat-8").bands)),
        ("landsat-7", ["B3", "B2", "B1"], ("red", "green", "blue")),
        ("landsat-7", [f"B{i}" for i in range(1, 7)], ("blue", "green", "red", "nir", "swir1", "swir2")),
        ("pleiades", ["B0", "B1", "B2", "B3"], ("blue", "green", "red", "nir")),
        ("pleiades", ["B1", "B2", "B3", "B4"], ("red", "green", "blue", "nir")),
        ("worldview-3", ["BAND_N2", "BAND_C"], ("nir2", "coastal")),
        ("spot-5", ["XS1", "XS2", "XS3"], ("green", "red", "nir")),
        ("landsat-8", ["B4", "B4"], ("band 1", "band 2")),
    ],
)
def test_band_codes(sensor, descriptions, expected):
    assert sensors.resolve(sensor, Metadata(count=len(descriptions), descriptions=descriptions)).names == expected


def test_landsat_files_in_any_order():
    files = [f"x/LC08_L1TP_020039_20150804_20200908_02_T1_B{i}.TIF" for i in (4, 3, 2, 5)]
    guess = sensors.guess(Metadata(count=4, filenames=files, pan_filename=files[0].replace("B4", "B8")))
    assert guess.sensor.name == "landsat-8"
    assert guess.names == ("red", "green", "blue", "nir")
    assert guess.wavelengths == (654.5, 561.5, 482, 865)
    first = [name.replace(f"B{i}.", f"B{j}.") for name, i, j in zip(files, (4, 3, 2, 5), (1, 2, 3, 4), strict=True)]
    assert sensors.guess(Metadata(count=4, filenames=first)).names == ("coastal", "blue", "green", "red")


def test_bare_landsat_style_numbers_do_not_name_a_sensor():
    files = [f"test_B{i}.tif" for i in (4, 3, 2)]
    assert sensors.guess(Metadata(count=3, filenames=files)).wavelengths == (None,) * 3


def test_one_file_for_each_band_by_name():
    files = [f"po_58204_{band}_0000000.tif" for band in ("nir", "red", "grn", "blu")]
    guess = sensors.guess(Metadata(count=4, filenames=files))
    assert guess.sensor.name == "ikonos"
    assert guess.names == ("nir", "red", "green", "blue")
    assert sensors.guess(Metadata(count=2, filenames=["red_hill_red.tif", "red_hill.tif"])).bands == (None, None)


def test_wavelength_tags_name_bands_and_win():
    metadata = Metadata(count=4, wavelengths=[661.0, 560.0, None, 1200.0])
    quickbird = sensors.resolve("quickbird", metadata)
    assert quickbird.names == ("red", "green", "band 3", "band 4")
    assert quickbird.wavelengths == (661, 560, None, 1200)
    np.testing.assert_array_equal(quickbird.gains, [0.30, 0.32, 0.31, 0.31])
    assert quickbird.reason.endswith("bands by wavelength tags")
    assert sensors.guess(metadata).names == ("red", "green", "band 3", "band 4")
    alien = sensors.resolve("quickbird", Metadata(count=4, wavelengths=[1200.0, 1300.0, 1400.0, 1500.0]))
    assert alien.bands == (None,) * 4
    overlap = sensors.resolve("worldview-2", Metadata(count=2, wavelengths=[870.0, 910.0]))
    assert overlap.names == ("nir", "nir2")


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"WAVELENGTH": "482", "WAVELENGTH_UNITS": "Nanometers"}, 482),
        ({"wavelength": "0.482", "wavelength_units": "Micrometers"}, 482),
        ({"IMAGERY.CENTRAL_WAVELENGTH_UM": "0.832"}, 832),
        ({"WAVELENGTH": "unknown"}, None),
        ({"WAVELENGTH": "nan"}, None),
        ({"WAVELENGTH": "-3"}, None),
        ({}, None),
    ],
)
def test_wavelength_of_tags(tags, expected):
    assert sensors.wavelength_nm(tags) == (pytest.approx(expected) if expected else None)


def test_metadata_checks_its_lengths():
    with pytest.raises(InputError, match="count: expected at least one MS band, got 0"):
        Metadata(count=0)
    with pytest.raises(InputError, match=r"descriptions: expected 4 entries.* got 3"):
        Metadata(count=4, descriptions=["red", "green", "blue"])
    with pytest.raises(InputError, match=r"wavelengths: expected 2 entries.* got 1"):
        Metadata(count=2, wavelengths=[480.0])


def _scenes():
    index = SHARED / "data" / "scenes.json"
    return json.loads(index.read_text()) if index.exists() else []


@pytest.mark.skipif(not _scenes(), reason="no scenes.json under FOSE_SHARED or ../shared")
def test_the_shared_scenes():
    expected = {"dg": "generic", "mixed": "generic", "ik": "ikonos", "qb": "quickbird", "wv2": "worldview-2"}
    expected |= {"l7": "landsat-7", "l8": "landsat-8", "rr_qb": "quickbird", "rr_gf2": "gaofen-2"}
    for scene in _scenes():
        metadata = Metadata(len(scene["bands"]), {"SENSOR": scene["sensor"]}, ["ms.tif"], scene["bands"])
        guess = sensors.guess(metadata)
        name = scene["name"]
        assert guess.sensor.name == expected[name if name.startswith("rr") else name.split("_")[0]]
        if name == "mixed_dgif2":
            assert guess.bands == (None,) * 4
        else:
            assert guess.names == tuple(scene["bands"])
            assert None not in guess.wavelengths
        if guess.sensor.bits:
            assert (guess.sensor.bits, guess.sensor.ratio) == (scene["bits"], scene["ratio"])


@pytest.mark.skipif(not _scenes(), reason="no scenes.json under FOSE_SHARED or ../shared")
def test_the_shared_rasters_wavelengths_lie_in_their_bands():
    rasterio = pytest.importorskip("rasterio")
    for scene in _scenes():
        with rasterio.open(SHARED / "data" / scene["root"] / scene["name"] / "ms.tif") as source:
            tags = [sensors.wavelength_nm(source.tags(index)) for index in source.indexes]
            guess = sensors.guess(Metadata(source.count, source.tags(), descriptions=source.descriptions))
        for band, given in zip(guess.bands, tags, strict=True):
            if given is not None:
                assert isinstance(band, Band)
                assert abs(band.wavelength - given) <= band.width / 2


def test_the_doc_s_table_is_the_code_s():
    lines = DOC.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith("|")] == doc_rows()


if __name__ == "__main__":
    parts = re.split(r"(<!-- written by.*?-->\n|<!-- end -->)", DOC.read_text(encoding="utf-8"))
    parts[2] = "\n" + "\n".join(doc_rows()) + "\n\n"
    DOC.write_text("".join(parts), encoding="utf-8")
