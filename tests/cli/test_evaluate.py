"""``fose evaluate``: tables from pairs, folders, manifests; a bad scene does not stop the rest."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import rasterio

from fose import metrics
from fose.api import sharpener_names

SOURCE = Path(__file__).parents[2] / "src"


def results(result, code=0):
    assert result.exit_code == code, result.stderr
    return json.loads(result.stdout)


def test_both_protocols_of_a_pair(fose, make_pair):
    pair = make_pair(ms_size=(64, 72))
    found = results(fose("evaluate", pair.pan, pair.ms, "-m", "exp,gsa", "--format", "json"))
    assert [(r["protocol"], r["method"]) for r in found["results"]] == [
        ("reduced", "exp"),
        ("reduced", "gsa"),
        ("full", "exp"),
        ("full", "gsa"),
    ]
    reduced, full = found["tables"]
    assert set(reduced["rows"]["gsa"]) == {"SAM", "ERGAS", "Q2n", "Q_avg", "SCC"}
    assert reduced["rows"]["gsa"]["ERGAS"]["mean"] < reduced["rows"]["exp"]["ERGAS"]["mean"]
    assert set(full["rows"]["gsa"]) == {"D_lambda", "D_s", "QNR", "D_lambda_K", "D_lambda_K_decimated", "HQNR"}


def test_a_target_is_compared_with_the_result_on_pans_grid(fose, make_pair, tmp_path):
    pair = make_pair()
    arguments = ["evaluate", pair.pan, pair.ms, "--target", pair.target, "-m", "gsa", "--register", "off"]
    found = results(fose(*arguments, "--format", "json", "--peak", 2047))
    (only,) = found["results"]
    assert only["protocol"] == "reduced"
    out = tmp_path / "sharp.tif"
    options = ["-q", "-m", "gsa", "--register", "off", "--dtype", "float32"]
    assert fose("sharpen", pair.pan, pair.ms, out, *options).exit_code == 0
    with rasterio.open(out) as raster:
        expected = metrics.ergas(pair.truth, raster.read(), 4)
    assert only["scores"]["values"]["ERGAS"] == pytest.approx(expected, rel=1e-6)


def test_every_method_by_default(fose, make_pair):
    pair = make_pair(ms_size=(40, 40))
    found = results(fose("evaluate", pair.pan, pair.ms, "--target", pair.target, "--format", "json", "-q"))
    assert tuple(found["tables"][0]["rows"]) == sharpener_names()


def test_a_folder_gives_mean_and_deviation_and_a_bad_scene_does_not_stop_it(fose, make_pair, tmp_path):
    make_pair("one", ms_size=(48, 40))
    make_pair("two", ms_size=(56, 40))
    bad = make_pair("bad")
    with open(bad.ms, "wb") as file:  # noqa: PTH123
        file.write(b"not an image")
    result = fose("evaluate", tmp_path, "-m", "exp,gsa", "--protocol", "reduced", "--format", "json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert [failure["scene"] for failure in found["failures"]] == ["bad"]
    assert "error: bad: cannot open" in result.stderr
    row = found["tables"][0]["rows"]["gsa"]["ERGAS"]
    each = [r["scores"]["values"]["ERGAS"] for r in found["results"] if r["method"] == "gsa"]
    assert row["n"] == len(each) == 2
    assert row["mean"] == pytest.approx(sum(each) / 2)
    assert row["std"] == pytest.approx(abs(each[0] - each[1]) / 2**0.5)


def test_a_note_that_holds_for_several_scenes_is_said_once(fose, make_pair, tmp_path):
    pairs = [make_pair(name, ms_size=(16, 16)) for name in ("one", "two", "three")]
    manifest = tmp_path / "scenes.json"
    manifest.write_text(json.dumps([{"pan": pair.pan, "ms": pair.ms} for pair in pairs]))
    result = fose("evaluate", manifest, "-m", "exp,gsa", "--protocol", "full", "--register", "off")
    assert result.exit_code == 0
    assert result.stderr.count("D_lambda_K_decimated left out") == 1
    assert "note: 3 scenes: full: D_lambda_K_decimated left out" in result.stderr


def test_a_protocol_that_a_scene_is_too_small_for_does_not_stop_the_other(fose, make_pair):
    pair = make_pair(ms_size=(3, 40), ratio=16)
    result = fose("evaluate", pair.pan, pair.ms, "-m", "exp", "--format", "json", "--register", "off")
    found = results(result, code=1)
    assert [r["protocol"] for r in found["results"]] == ["full"]
    assert "MS of at least 16x16 pixels" in found["failures"][0]["message"]


def test_a_manifest_names_scenes(fose, make_pair, tmp_path):
    pair = make_pair("one")
    manifest = tmp_path / "scenes.json"
    manifest.write_text(json.dumps([{"name": "first", "pan": pair.pan, "ms": pair.ms, "target": pair.target}]))
    found = results(fose("evaluate", manifest, "-m", "exp", "--format", "json"))
    assert [r["scene"] for r in found["results"]] == ["first"]


@pytest.mark.parametrize(
    ("form", "sign"),
    [("text", "* best"), ("markdown", "| **"), ("latex", r"\textbf{"), ("csv", "group,protocol,method")],
)
def test_formats_and_output_file(fose, make_pair, tmp_path, form, sign):
    pair = make_pair()
    out = tmp_path / "table"
    arguments = ["evaluate", pair.pan, pair.ms, "-m", "exp,gsa", "--format", form, "-o", out, "-q"]
    result = fose(*arguments)
    assert (result.exit_code, result.stdout) == (0, "")
    written = out.read_text()
    assert sign in written
    again = fose(*arguments)
    assert again.exit_code == 1
    assert "give --overwrite" in again.stderr
    assert fose(*arguments, "--overwrite").exit_code == 0


def test_an_impossible_output_is_refused_before_any_work(refused, tmp_path):
    message = refused("evaluate", "absent.tif", "absent.tif", "-o", tmp_path / "no" / "table.md")
    assert message == f"Error: output directory {tmp_path / 'no'} does not exist; create it first"


def test_a_table_is_utf8_in_any_locale(make_pair, tmp_path):
    pair = make_pair()
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONPATH": str(SOURCE)}
    arguments = ["evaluate", pair.pan, pair.ms, "-m", "exp", "--format", "markdown", "-o", tmp_path / "table.md"]
    command = [sys.executable, "-m", "fose", *map(str, arguments)]
    subprocess.run(command, check=True, env=os.environ | locale, timeout=120, capture_output=True)
    assert "ERGAS ↓" in (tmp_path / "table.md").read_text(encoding="utf-8")


def test_a_ratio_that_is_not_whole_says_what_is_done(fose, make_pair, tmp_path, save_raster):
    pair = make_pair(ms_size=(80, 96))
    pan = save_raster(tmp_path / "coarser.tif", pair.truth.mean(axis=0)[None].astype("uint16")[:, ::2, ::2], 1.6)
    result = fose("evaluate", pan, pair.ms, "-m", "exp", "--protocol", "reduced", "--format", "json")
    found = results(result)
    assert "MS by 2, the whole ratio nearest to 2.5" in " ".join(next(iter(found["notes"].values())))


def test_missing_pixels_are_left_out(fose, make_pair):
    holed = make_pair("holed", ms_size=(64, 64), hole=(slice(20, 30), slice(20, 40)))
    found = results(fose("evaluate", holed.pan, holed.ms, "-m", "gsa", "--format", "json", "--register", "off"))
    reduced, full = found["results"]
    assert 200 <= reduced["scores"]["missing"] < 1000
    assert full["scores"]["missing"] == 200 * 16


def test_reference_conventions(fose, make_pair):
    pair = make_pair(ms_size=(64, 64))
    arguments = ["evaluate", pair.pan, pair.ms, "-m", "exp", "--conventions", "reference", "--format", "json"]
    reduced, full = results(fose(*arguments))["results"]
    assert reduced["scores"]["pixels"] == (64 - 41) ** 2
    assert full["scores"]["values"]["D_lambda"] == pytest.approx(0, abs=1e-12)


def test_held_out_scene_of_the_shared_data(fose, shared_data):
    """rr_qb in the toolboxes' conventions: the published table of the project's notes, EXP .657 / 8.35 / 10.5."""
    folder = shared_data / "scenes/rr_qb"
    arguments = [folder / "pan.tif", folder / "ms.tif", "--target", folder / "target.tif", "-m", "exp"]
    found = results(fose("evaluate", *arguments, "--conventions", "reference", "--format", "json"))
    scores = found["results"][0]["scores"]["values"]
    assert scores["Q2n"] == pytest.approx(0.657, abs=5e-4)
    assert scores["SAM"] == pytest.approx(8.35, abs=5e-3)
    assert scores["ERGAS"] == pytest.approx(10.5, abs=5e-2)


class TestRefusals:
    """One line, exit status not 0."""

    def test_an_unknown_method(self, refused, make_pair):
        pair = make_pair()
        assert "found 'nonsense'" in refused("evaluate", pair.pan, pair.ms, "-m", "exp,nonsense")

    def test_nothing_to_evaluate(self, refused, tmp_path):
        assert "expected pan.tif and ms.tif" in refused("evaluate", tmp_path)
        assert "expected PAN and MS, a folder" in refused("evaluate", "only.tif")

    def test_a_scene_that_fails_alone(self, fose, make_pair):
        pair = make_pair()
        result = fose("evaluate", pair.pan, "nowhere.tif")
        assert (result.exit_code, result.stdout) == (1, "")
        assert "cannot open nowhere.tif" in result.stderr

    def test_a_target_of_another_grid(self, fose, make_pair):
        pair = make_pair()
        result = fose("evaluate", pair.pan, pair.ms, "--target", pair.ms, "-m", "exp")
        assert result.exit_code == 1
        assert "expected PAN and target on one grid" in result.stderr

    def test_a_target_has_no_full_protocol(self, fose, make_pair):
        pair = make_pair()
        result = fose("evaluate", pair.pan, pair.ms, "--target", pair.target, "--protocol", "full", "-m", "exp")
        assert result.exit_code == 1
        assert "no chosen protocol suits it" in result.stderr
