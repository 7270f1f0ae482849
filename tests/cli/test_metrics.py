"""``fose metrics``: the numbers of `fose.metrics`, from files."""

import json

import numpy as np
import pytest
import rasterio

from fose import metrics
from fose.evaluation import files


@pytest.fixture
def pair(make_pair):
    return make_pair(ms_size=(40, 48))


@pytest.fixture
def sharp(fose, pair, tmp_path):
    """The pair, sharpened by the pipeline."""
    out = tmp_path / "sharp.tif"
    assert fose("sharpen", pair.pan, pair.ms, out, "-q", "-m", "gsa").exit_code == 0
    return str(out)


def scores(result):
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def read(path):
    with rasterio.open(path) as raster:
        return raster.read()


def test_with_reference_gives_the_metrics_of_the_arrays(fose, pair, sharp):
    found = scores(fose("metrics", pair.target, sharp, "--ratio", 4, "--peak", 2047, "--json"))
    image = read(sharp)
    assert found["scores"] == pytest.approx(
        {
            "SAM": metrics.sam(pair.truth, image),
            "ERGAS": metrics.ergas(pair.truth, image, 4),
            "Q2n": metrics.q2n(pair.truth, image),
            "Q_avg": metrics.q_avg(pair.truth, image),
            "SCC": metrics.scc(pair.truth, image),
            "PSNR": metrics.psnr(pair.truth, image, 2047),
            "SSIM": metrics.ssim(pair.truth, image, 2047),
        },
        rel=1e-9,
    )
    assert (found["pixels"], found["missing"], found["notes"]) == (160 * 192, 0, [])


def test_strips_do_not_matter(pair, sharp, monkeypatch):
    whole, _ = files.against_reference(pair.target, sharp, 4, 2047, cut=11)
    monkeypatch.setattr(files, "STRIP_SAMPLES", 1)
    strips, _ = files.against_reference(pair.target, sharp, 4, 2047, cut=11)
    assert strips.values == pytest.approx(whole.values, rel=1e-9)


def test_text_output_has_units_and_says_what_was_assumed(fose, pair, sharp):
    result = fose("metrics", pair.target, sharp)
    assert result.exit_code == 0
    lines = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
    assert lines["SAM"].endswith(" degrees")
    assert lines["pixels"] == str(160 * 192)
    assert "ERGAS for ratio 4" in result.stderr
    assert "PSNR, SSIM left out" in result.stderr


def test_cut_is_applied(fose, pair, sharp):
    found = scores(fose("metrics", pair.target, sharp, "--cut", 21, "--json"))
    assert found["pixels"] == (160 - 40 - 1) * (192 - 40 - 1)
    assert found["scores"]["SAM"] == pytest.approx(
        metrics.sam(pair.truth[:, 20:-21, 20:-21], read(sharp)[:, 20:-21, 20:-21]), rel=1e-9
    )


def test_missing_pixels_are_left_out_and_reported(fose, pair, sharp, tmp_path, save_raster):
    holed = read(sharp)
    holed[:, 10:20, 30:50] = 0
    path = save_raster(tmp_path / "holed.tif", holed, 1.0, nodata=0)
    found = scores(fose("metrics", pair.target, path, "--json"))
    valid = np.ones(holed.shape[1:], bool)
    valid[10:20, 30:50] = False
    assert found["scores"]["ERGAS"] == pytest.approx(metrics.ergas(pair.truth, holed, 4, valid), rel=1e-9)
    assert found["missing"] == 200
    assert found["notes"][0] == "fused lacks 200 pixels that the reference has; they are left out"


def test_identical_images_are_valid_json(fose, pair):
    found = scores(fose("metrics", pair.target, pair.target, "--peak", 2047, "--json"))
    assert found["scores"]["PSNR"] == "inf"
    assert found["scores"]["Q2n"] == pytest.approx(1)


def test_without_reference_agrees_with_evaluate(fose, pair, sharp):
    """Apart from rounding to 16 bits, the file scores as the method does in memory."""
    found = scores(fose("metrics", "--pan", pair.pan, "--ms", pair.ms, sharp, "--json"))["scores"]
    table = scores(fose("evaluate", pair.pan, pair.ms, "-m", "gsa", "--protocol", "full", "--format", "json", "-q"))
    assert found == pytest.approx(table["results"][0]["scores"]["values"], abs=2e-3)


def test_a_part_of_pan_is_measured_where_it_lies(fose, pair, sharp, tmp_path, save_raster):
    """Cut at whole blocks away from the edge, D_s, which sees only blocks, is that of those blocks."""
    image = read(sharp)[:, 32:128, 64:160]
    part = save_raster(tmp_path / "part.tif", image, 1.0, origin=(500000.0 + 64, 4600000.0 - 32))
    found = scores(fose("metrics", "--pan", pair.pan, "--ms", pair.ms, part, "--json"))
    assert found["pixels"] == 96 * 96
    shifted = save_raster(tmp_path / "shifted.tif", image, 1.0, origin=(500000.0 + 60, 4600000.0 - 32))
    wrong = scores(fose("metrics", "--pan", pair.pan, "--ms", pair.ms, shifted, "--json"))
    assert found["scores"]["HQNR"] > wrong["scores"]["HQNR"] + 0.05


def test_reference_conventions_are_the_toolboxes(fose, pair, sharp):
    from fose.ops.reference import interpolate23

    result = fose("metrics", "--pan", pair.pan, "--ms", pair.ms, sharp, "--conventions", "reference", "--json")
    found = scores(result)
    image, ms, pan = read(sharp), read(pair.ms), read(pair.pan)[0]
    expected = metrics.hqnr(image, interpolate23(ms, 4), pan, [0.3] * 4, 4)
    assert found["scores"]["HQNR"] == pytest.approx(expected.index, rel=1e-9)
    assert found["scores"]["D_s"] == pytest.approx(expected.spatial, rel=1e-9)
    assert any("0.5 PAN pixels" in note for note in found["notes"])


def test_missing_pixels_of_pan_and_ms_are_left_out(fose, make_pair, tmp_path):
    holed = make_pair("holed", hole=(slice(5, 9), slice(10, 20)))
    out = tmp_path / "out.tif"
    assert fose("sharpen", holed.pan, holed.ms, out, "-q").exit_code == 0
    found = scores(fose("metrics", "--pan", holed.pan, "--ms", holed.ms, out, "--json"))
    assert found["missing"] == 16 * 40
    refused = fose("metrics", "--pan", holed.pan, "--ms", holed.ms, out, "--conventions", "reference")
    assert "expected no missing pixels" in refused.stderr


class TestRefusals:
    """One line, what was expected and found, exit status not 0."""

    def test_other_grids(self, refused, pair):
        assert "expected reference and fused on one grid" in refused("metrics", pair.target, pair.ms)

    def test_other_bands(self, refused, pair):
        assert "expected the 4 bands of the reference, found 1" in refused("metrics", pair.target, pair.pan)

    def test_fused_not_on_pan_pixels(self, refused, pair):
        message = refused("metrics", "--pan", pair.pan, "--ms", pair.ms, pair.ms)
        assert "expected fused to have PAN's pixels" in message

    def test_fused_elsewhere(self, refused, pair, tmp_path, save_raster):
        far = save_raster(tmp_path / "far.tif", pair.truth, 1.0, origin=(600000.0, 4600000.0))
        assert "expected fused to overlap PAN" in refused("metrics", "--pan", pair.pan, "--ms", pair.ms, far)

    def test_fused_of_other_bands(self, refused, pair):
        message = refused("metrics", "--pan", pair.pan, "--ms", pair.ms, pair.pan)
        assert "expected the 4 bands of the MS, found 1" in message

    def test_a_small_image(self, refused, make_pair):
        small = make_pair("small", ms_size=(7, 7))
        message = refused("metrics", "--pan", small.pan, "--ms", small.ms, small.target)
        assert "at least 32x32 PAN pixels, found (28, 28)" in message

    def test_nothing_in_common(self, refused, pair, tmp_path, save_raster):
        empty = save_raster(tmp_path / "empty.tif", np.zeros_like(pair.truth), 1.0, nodata=0)
        assert "found none" in refused("metrics", pair.target, empty)

    def test_a_missing_file(self, refused, pair):
        assert "cannot open" in refused("metrics", pair.target, "nowhere.tif")

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["a.tif"], "expected REFERENCE and FUSED"),
            (["--pan", "p.tif", "a.tif"], "--pan and --ms together"),
            (["--pan", "p.tif", "--ms", "m.tif", "a.tif", "b.tif"], "expected FUSED"),
            (["--pan", "p.tif", "--ms", "m.tif", "a.tif", "--ratio", "4"], "--ratio belongs to REFERENCE"),
            (["a.tif", "b.tif", "--sensor", "wv3"], "--sensor belongs to --pan"),
        ],
    )
    def test_options_that_do_not_belong_together(self, refused, arguments, message):
        assert message in refused("metrics", *arguments)

    @pytest.mark.parametrize(("option", "value"), [("--ratio", "0"), ("--peak", "-1"), ("--cut", "100")])
    def test_values_out_of_range(self, refused, pair, option, value):
        assert "expected" in refused("metrics", pair.target, pair.target, option, value)
