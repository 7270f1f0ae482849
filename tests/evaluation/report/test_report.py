import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner
from rasterio import Affine

from fose import metrics
from fose.cli import main
from fose.errors import FoseError, GridError, InputError, OutputError
from fose.evaluation.report import charts, pictures, write_report
from fose.evaluation.report.areas import CROP, WHOLE, measured
from fose.evaluation.report.layers import MS, PAN, Layers, open_layers
from fose.scene.sharpen import Options, prepared
from fose.scene.tiles import Window

from .conftest import RATIO, Page, Pair, make_pair, truth, write


def report(pair: Pair, target: bool = False, **options: Any) -> Page:
    out = pair.folder / "report.html"
    write_report(pair.pan, [pair.ms], pair.sharps, out, pair.target if target else None, Options(**options))
    page = Page(out)
    assert page.open == []
    return page


def layers_of(pair: Pair, stack: Any) -> Layers:
    return open_layers(pair.pan, [pair.ms], pair.sharps, None, Options(register="off"), stack)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
class TestPage:
    def test_is_one_file_that_may_load_nothing(self, pair: Pair) -> None:
        page = report(pair)
        policy = next(m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
        assert policy is not None
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in page.source.replace("http-equiv", "")
        for tag, attrs in page.elements:
            for name in ("src", "href"):
                assert (attrs.get(name) or "#").startswith(("#", "data:")), (tag, attrs)
            assert not any(name.startswith("on") or name == "style" for name in attrs), (tag, attrs)

    def test_can_be_read_and_used_without_eyes_or_mouse(self, pair: Pair) -> None:
        page = report(pair)
        ids = {attrs["id"] for _, attrs in page.elements if "id" in attrs}
        assert page.all("html")[0]["lang"] == "en"
        assert len(page.all("h1")) == len(page.all("main")) == len(page.all("nav")) == 1
        for section in page.all("section"):
            assert section["aria-labelledby"] in ids
        assert len(page.all("caption")) == len(page.all("table"))
        assert all(cell.get("scope") in ("row", "col") for cell in page.all("th"))
        assert all(svg.get("aria-label") or svg.get("aria-hidden") for svg in page.all("svg"))
        assert next(i for i in page.all("input") if i["id"] == "slider")["type"] == "range"
        assert {"for": "slider", "class": "slider"} in page.all("label")
        assert page.all("output")[0]["aria-live"] == "polite"
        assert all("alt" in image for image in page.all("img"))

    def test_is_the_same_for_the_same_input(self, pair: Pair) -> None:
        assert report(pair).source == report(pair, overwrite=True).source

    def test_tells_grids_registration_and_provenance(self, pair: Pair) -> None:
        text = report(pair).text
        assert "256x192 px of 1x1 at (500000, 4600000)" in text
        assert "64x48 px of 4x4" in text
        assert "4 PAN pixels per MS pixel" in text
        assert "Method brovey" in text
        assert "PAN pan.tif" in text
        assert str(pair.folder) not in text  # folders may be private

    def test_a_result_of_other_software_is_fine(self, pair: Pair) -> None:
        pair.sharps = [pair.target]
        assert "the file has no FOSE_ tags" in report(pair).text

    def test_text_from_files_is_escaped(self, tmp_path: Path) -> None:
        evil = "<script>alert('a&b')</script>"
        pair = make_pair(tmp_path, names=(evil, "green", "red", "nir"))
        image = truth(4, 192, 256)
        pair.sharps = [write(tmp_path / "a<b>&'c.tif", image, tags={"FOSE_METHOD": "</script><b>"})]
        page = report(pair)
        assert "alert" not in "".join(page.source.split("</style>")[1].split("<script>")[1:])
        assert evil in page.text
        assert "a<b>&'c" in page.text
        assert len(page.all("script")) == 2
        assert page.all("b") == []
        assert dict(page.data["layers"])["sharp1"] == "a<b>&'c"

    @pytest.mark.parametrize("bands", [1, 3, 4, 8])
    def test_any_number_of_bands(self, tmp_path: Path, bands: int) -> None:
        pair = make_pair(tmp_path, bands)
        pair.sharps = [pair.target]
        page = report(pair)
        colours = [name for _, name in page.data["colours"]]
        wanted = {1: ["Grey, blue"], 3: ["True colour"]}.get(bands, ["True colour", "False colour"])
        assert colours == wanted
        assert len(page.all("figure")) == bands
        missing = "D_λ: D_lambda: expected at least 2 bands" in page.text
        assert missing == (bands == 1)
        assert not re.search(r"\bnan\b", page.text.lower())

    def test_several_results_and_the_best_in_bold(self, pair: Pair) -> None:
        worse = truth(4, 192, 256) + np.arange(256, dtype=np.uint16) % 40
        pair.sharps = [pair.sharps[0], pair.target, write(pair.folder / "worse.tif", worse)]
        page = report(pair, target=True)
        keys = [key for key, _ in page.data["layers"]]
        assert keys == [
            *("ms", "pan", "sharp1", "sharp2", "sharp3", "target"),
            *("error-sharp1", "error-sharp2", "error-sharp3"),
        ]
        row = re.search(r'<tr><th scope="row">target</th>(.*?)</tr>', page.source)
        assert row
        assert row[1].count("<strong class=best>") == 5
        assert page.source.count("<strong class=best>") == 5

    def test_results_of_one_name_are_told_apart(self, pair: Pair) -> None:
        for folder in ("one", "two"):
            (pair.folder / folder).mkdir()
            pair.sharpen("brovey", f"{folder}/same.tif")
        names = [name for _, name in report(pair).data["layers"]]
        assert names[-2:] == ["one/same", "two/same"]


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
class TestPictures:
    def test_one_stretch_for_all(self, pair: Pair) -> None:
        """The same DN is the same grey in MS, result and target."""
        pair.sharps = [pair.target]
        page = report(pair, target=True)
        assert (page.picture("sharp1", "true") == page.picture("target", "true")).all()
        red, shown = truth(4, 192, 256)[2], page.picture("target", "true")[0]
        assert np.corrcoef(np.argsort(np.argsort(red.ravel())), shown.ravel())[0, 1] > 0.9
        inside = (shown > 0) & (shown < 255)
        assert all(len(set(shown[inside & (red == value)])) <= 1 for value in np.unique(red)[::20])

    def test_colours_follow_the_names_of_bands(self) -> None:
        true, false = pictures.colours(["blue", "green", "red", "nir"])
        assert true.bands == (2, 1, 0)
        assert false.bands == (3, 2, 1)
        assert [c.bands for c in pictures.colours(["band 1", "band 2", "band 3"])] == [(0, 1, 2)]
        assert [c.name for c in pictures.colours([f"band {i}" for i in range(1, 6)])] == [
            "Bands 3, 2, 1",
            "Bands 4, 3, 2",
        ]

    def test_error_is_black_where_there_is_none(self, pair: Pair) -> None:
        pair.sharps = [pair.target, *pair.sharps]
        page = report(pair, target=True)
        none, some = (page.picture(f"error-sharp{index}", "any")[:3] for index in (1, 2))
        assert none.max() <= pictures.RAMP[0].max()
        assert some.max() > 200

    def test_missing_pixels_are_transparent_and_count_nowhere(self, tmp_path: Path) -> None:
        pair = make_pair(tmp_path, nodata=0)
        with rasterio.open(pair.ms, "r+") as file:
            image = file.read()
            image[:, :10] = 0
            file.write(image)
        spoilt = truth(4, 192, 256)
        spoilt[:, :40] = 60000  # under missing MS pixels: must not change stretch, means or metrics
        pair.sharps = [write(tmp_path / "sharp.tif", spoilt)]
        page = report(pair, target=True)
        alpha = page.picture("sharp1", "true")[3]
        assert (alpha[:40] == 0).all()
        assert (alpha[40:] == 255).all()
        assert not re.search(r"\b60000\b", page.text)
        row = re.search(r'<tr><th scope="row">sharp</th><td class="number">([\d.]+)</td>', page.source)
        assert row
        assert float(row[1]) == 0.0  # SAM

    def test_nothing_valid_is_said_not_raised(self, tmp_path: Path) -> None:
        pair = make_pair(tmp_path, nodata=0)
        with rasterio.open(pair.ms, "r+") as file:
            file.write(np.zeros(file.read().shape, np.uint16))
        pair.sharps = [pair.target]
        text = report(pair, register="off").text
        assert "nothing to draw" in text
        assert "Not measured: D_s" in text


class TestMeasures:
    def test_metrics_are_those_of_fose_metrics(self, pair: Pair) -> None:
        page = report(pair, target=True)
        with rasterio.open(pair.sharps[0]) as file:
            sharp = file.read()
        row = re.search(r'<tr><th scope="row">brovey</th>(.*?)</tr>', page.source)
        assert row
        shown = [float(value) for value in re.findall(r">([\d.]+)<", row[1])]
        target = truth(4, 192, 256)
        assert shown[0] == pytest.approx(metrics.sam(target, sharp), abs=6e-4)
        assert shown[1] == pytest.approx(metrics.ergas(target, sharp, RATIO), abs=6e-4)
        assert shown[2] == pytest.approx(metrics.q2n(target, sharp), abs=6e-5)

    def test_windows_are_whole_blocks_inside_the_scene(self) -> None:
        assert [w.shape for w in measured((200, 300))] == [(192, 288)]
        assert [w.shape for w in measured((20, 300))] == [(20, 288)]
        many = measured((5000, 9000))
        assert len(many) == 9
        assert {w.shape for w in many} == {(CROP, CROP)}
        assert max(w.rows.stop for w in many) == 5000
        assert max(w.cols.stop for w in many) == 9000

    def test_a_scene_too_small_for_blocks_says_so(self, tmp_path: Path) -> None:
        pair = make_pair(tmp_path, height=24, width=28)
        pair.sharps = [pair.target]
        assert "Not measured: D_s: image height: expected at least 32 pixels, found 24" in report(pair).text

    @pytest.mark.parametrize(("low", "high"), [(0, 1), (-3, 1e5), (1e-4, 2e-4), (11779, 11780.5)])
    def test_ticks_are_round_and_inside(self, low: float, high: float) -> None:
        ticks = charts.nice_ticks(low, high, 5)
        assert 2 <= len(ticks) <= 6
        assert all(low - 1e-9 <= tick <= high * (1 + 1e-9) for tick in ticks)


class TestGrids:
    def test_a_result_on_a_larger_grid_is_cut(self, pair: Pair) -> None:
        image = np.pad(truth(4, 192, 256), ((0, 0), (8, 4), (12, 0)), mode="edge")
        grown = write(pair.folder / "grown.tif", image, transform=Affine(1, 0, 499988, 0, -1, 4600008))
        pair.sharps = [grown, pair.target]
        page = report(pair)
        assert (page.picture("sharp1", "true") == page.picture("sharp2", "true")).all()

    def test_no_georeference_is_taken_by_size_and_noted(self, pair: Pair) -> None:
        plain = pair.folder / "plain.tif"
        write(plain, truth(4, 192, 256), crs=None, transform=Affine.identity())
        pair.sharps = [plain]
        assert "plain.tif has no georeference" in report(pair).text

    @pytest.mark.parametrize(
        ("transform", "size"),
        [
            (Affine(1, 0, 500000.5, 0, -1, 4600000), (192, 256)),  # half a pixel away
            (Affine(1, 0, 500001, 0, -1, 4600000), (192, 256)),  # does not cover
            (Affine(2, 0, 500000, 0, -2, 4600000), (96, 128)),  # other pixels
            (Affine(1, 0, 500000, 0, -1, 4600000), (190, 256)),  # cut
            (Affine.identity(), (190, 256)),  # no georeference, other size
        ],
    )
    def test_other_grids_give_one_clear_error(self, pair: Pair, transform: Affine, size: tuple[int, int]) -> None:
        pair.sharps = [write(pair.folder / "off.tif", truth(4, *size), transform=transform)]
        with pytest.raises(GridError, match=r"expected .*off.tif to lie on PAN's grid, 256x192 px.*gdalwarp"):
            report(pair)
        assert not (pair.folder / "report.html").exists()

    def test_other_bands_give_one_clear_error(self, pair: Pair) -> None:
        pair.sharps = [write(pair.folder / "three.tif", truth(3, 192, 256))]
        with pytest.raises(InputError, match=r"expected the 4 bands of the MS in .*three.tif, found 3"):
            report(pair)
        pair.sharps = []
        with pytest.raises(InputError, match="at least one result"):
            report(pair)

    def test_a_pair_with_the_ms_corner_between_pan_pixels(self, pair: Pair) -> None:
        """Means of PAN blocks and of the MS agree when both are reduced: nothing moves between the scales."""
        with prepared(Options()) as stack:
            layers = layers_of(pair, stack)
            low, valid = layers.reduced(8)
            full, _ = layers.read(Window.of(0, 0, 192, 256))
        assert valid.all()
        blocks = full[PAN][0].reshape(24, 8, 32, 8).mean(axis=(1, 3))
        np.testing.assert_allclose(low[PAN][0], blocks, atol=0.6)
        inner = (slice(None), slice(2, -2), slice(2, -2))
        coarse = full[MS].reshape(4, 24, 8, 32, 8).mean(axis=(2, 4))
        assert np.corrcoef(low[MS][inner].ravel(), coarse[inner].ravel())[0, 1] > 0.99


def sparse_pair(folder: Path, side: int, spots: int) -> Pair:
    """A large pair that is empty but for some textured squares; on disk it is as small as those."""
    image = truth(4, 1024, 1024)
    files = {"pan": (1, 1, side), "ms": (4, RATIO, side // RATIO), "sharp": (4, 1, side)}
    rng = np.random.default_rng(1)
    places = [(int(r) * 1024, int(c) * 1024) for r, c in rng.integers(0, side // 1024, (spots, 2))]
    for name, (count, pixel, size) in files.items():
        profile = {"crs": "EPSG:32631", "transform": Affine(pixel, 0, 500000, 0, -pixel, 4600000)}
        block = {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate", "sparse_ok": True}
        with rasterio.open(
            folder / f"{name}.tif", "w", driver="GTiff", width=size, height=size, count=count, dtype="uint16",
            **profile, **block,
        ) as file:  # fmt: skip
            for row, col in places:
                part = image[:, ::pixel, ::pixel] if count == 4 else image[:1]
                where = rasterio.windows.Window(col // pixel, row // pixel, 1024 // pixel, 1024 // pixel)
                file.write(part, window=where)
    return Pair(folder / "pan.tif", folder / "ms.tif", folder / "sharp.tif", folder, [folder / "sharp.tif"])


class TestLargeScenes:
    def test_shows_an_overview_and_details_at_full_resolution(self, tmp_path: Path) -> None:
        pair = sparse_pair(tmp_path, 3072, 4)
        page = report(pair, register="off")
        areas, places = page.data["areas"], page.data["places"]
        assert areas[0] == {"w": 1024, "h": 1024, "factor": 3, "row": 0, "col": 0}
        assert places[0] == {"name": "Whole scene", "area": 0, "x": 0, "y": 0, "w": 1024, "h": 1024}
        assert [area["factor"] for area in areas[1:]] == [1] * (len(areas) - 1)
        assert len(places) == len(areas) > 2
        for number, area in enumerate(areas[1:], start=1):
            picture = page.picture("pan", "any", number)
            assert picture.shape[1:] == (area["h"], area["w"]) == (CROP, CROP)
            assert picture[0].std() > 5  # texture, not the empty rest
        assert "9 windows of 512 × 512 pixels" in page.text
        assert WHOLE < 3072**2

    @pytest.mark.slow
    def test_16384_pixels_a_side_stay_below_10_mb_and_within_memory(self, tmp_path: Path) -> None:
        pair = sparse_pair(tmp_path, 16384, 60)
        out = tmp_path / "report.html"
        call = f"write_report({str(pair.pan)!r}, [{str(pair.ms)!r}], [{str(pair.sharps[0])!r}], {str(out)!r})"
        peak = "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        code = f"from fose.evaluation.report import write_report; {call}; {peak}"
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert int(run.stdout) * 1024 < 900e6  # bytes, Python and its libraries included
        assert out.stat().st_size < 10e6
        assert len(Page(out).data["areas"]) == 4

    def test_many_noisy_results_stay_within_the_budget(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pictures, "BUDGET", 300_000)
        rng = np.random.default_rng(2)
        noise = rng.integers(0, 255, (4, 256, 256), dtype=np.uint8)
        images, quality = pictures._encode([{"ms": {"true": noise}, "sharp1": {"true": noise}}])
        assert quality is not None
        assert sum(len(uri) for area in images for layer in area.values() for uri in layer.values()) <= 300_000


class TestCommand:
    def test_writes_the_page_and_says_how_large(self, pair: Pair) -> None:
        out = pair.folder / "r.html"
        args = ["report", *map(str, (pair.pan, pair.ms, *pair.sharps)), "-o", str(out)]
        result = CliRunner().invoke(main, args)
        assert result.exit_code == 0, result.output
        assert re.search(r"r\.html: \d\.\d MB", result.output)
        again = CliRunner().invoke(main, args)
        assert again.exit_code == 1
        assert "--overwrite" in again.output

    def test_ms_in_several_files(self, tmp_path: Path) -> None:
        landsat = Path(__file__).parents[3] / "examples" / "landsat8"
        pan, *bands = (str(landsat / f"LC08_B{band}.TIF") for band in (8, 4, 3, 2))
        sharp, out = str(tmp_path / "sharp.tif"), tmp_path / "r.html"
        assert CliRunner().invoke(main, ["sharpen", pan, *bands, sharp]).exit_code == 0
        more = [word for band in bands[1:] for word in ("--ms", band)]
        result = CliRunner().invoke(main, ["report", pan, bands[0], *more, sharp, "-o", str(out)])
        assert result.exit_code == 0, result.output
        assert "landsat-8" in Page(out).text

    def test_a_folder_that_does_not_exist(self, pair: Pair) -> None:
        with pytest.raises(OutputError, match="does not exist"):
            write_report(pair.pan, [pair.ms], pair.sharps, pair.folder / "none" / "r.html")

    def test_failures_leave_nothing_behind(self, pair: Pair) -> None:
        before = sorted(pair.folder.iterdir())
        with pytest.raises(FoseError):
            write_report(pair.pan, [pair.ms], [pair.folder / "none.tif"], pair.folder / "r.html")
        assert sorted(pair.folder.iterdir()) == before
