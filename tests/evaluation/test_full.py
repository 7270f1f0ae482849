"""The full-resolution protocol: the toolboxes' numbers in their conventions, laws of strips in the scene's."""

import json

import numpy as np
import pytest

from fose import classical
from fose.classical.reference import ReferenceScene
from fose.errors import InputError
from fose.evaluation import full
from fose.evaluation.full import FullTrial, FusedSource, ReferenceFullTrial, measure
from fose.scene.scene import ArraySource
from fose.scene.sharpen import sharpen_to_array

TOOLBOX = {
    "wv2_fr": ([0.35] * 7 + [0.27], 0.11),
    "ik_fr": ([0.26, 0.28, 0.29, 0.28], 0.17),
    "ge1_fr": ([0.23] * 4, 0.16),
}


def toolbox_case(refvec, case):
    stored = np.load(refvec / case / "inputs.npz")
    images = {key: array.transpose(2, 0, 1) if array.ndim == 3 else array for key, array in stored.items()}
    return json.loads((refvec / case / "reference.json").read_text())["candidate_metrics"], images


@pytest.mark.parametrize("case", TOOLBOX)
def test_reference_conventions_give_the_toolboxes_numbers(refvec, case):
    expected, images = toolbox_case(refvec, case)
    scene = ReferenceScene(images["pan"], images["ms_lr"], *TOOLBOX[case])
    trial = ReferenceFullTrial.of(scene, images["lms"])
    for name in ("GSA_f32", "BDSD_PC_u16"):
        octave = expected[name]
        found = trial.measure(images[f"cand_{name}"]).values
        assert found == pytest.approx(
            {
                "D_lambda": octave["QNR_th0"]["D_lambda"],
                "D_s": octave["HQNR_th0"]["D_s"],
                "QNR": octave["QNR_th0"]["QNR"],
                "D_lambda_K": octave["HQNR_th0"]["D_lambda_K"],
                "D_lambda_K_decimated": octave["toolbox_v1_4"]["D_lambda_K_decimated"],
                "HQNR": octave["HQNR_th0"]["HQNR"],
            },
            rel=1e-6,
        )


@pytest.mark.parametrize("case", TOOLBOX)
def test_scene_conventions_are_near_the_toolboxes(refvec, make_scene, case):
    """Other borders, kernels and the half pixel of PAN_low: HQNR within .03, the same order of candidates."""
    expected, images = toolbox_case(refvec, case)
    gains, pan_gain = TOOLBOX[case]
    scene = make_scene(images["pan"], images["ms_lr"], 4, (0.5, 0.5), gains, pan_gain)
    names = ["GSA_f32", "MTF_GLP_FS_u16"]
    found = [measure(scene, FusedSource(ArraySource.of(images[f"cand_{name}"]))).values for name in names]
    octave = [expected[name]["HQNR_th0"]["HQNR"] for name in names]
    assert [scores["HQNR"] for scores in found] == pytest.approx(octave, abs=0.03)
    assert (found[0]["HQNR"] < found[1]["HQNR"]) == (octave[0] < octave[1])


@pytest.fixture
def scene(images, make_scene):
    pan, ms, _ = images
    return make_scene(pan, ms, phase=(0.0, 0.0))


def test_strips_do_not_matter(scene, monkeypatch):
    trial, method = FullTrial(scene), classical.get("mtf-glp-fs")
    whole = trial.score(method)
    monkeypatch.setattr(full, "STRIP_SAMPLES", 1)
    assert trial.score(method).values == pytest.approx(whole.values, rel=1e-9)


def test_a_stored_result_scores_as_the_method_that_made_it(scene):
    method = classical.get("mtf-glp")
    image, _ = sharpen_to_array(scene, method)
    stored = measure(scene, FusedSource(ArraySource.of(image)))
    assert stored.values == pytest.approx(FullTrial(scene).score(method).values, rel=1e-9)


def test_sides_are_cut_to_whole_blocks(images, make_scene):
    pan, ms, _ = images
    whole = FullTrial(make_scene(pan[:96, :64], ms[:, :24, :16])).score(classical.get("exp"))
    assert whole.pixels == 96 * 64
    more = FullTrial(make_scene(pan[:124, :92], ms[:, :31, :23])).score(classical.get("exp"))
    assert more.pixels == 96 * 64
    cut = ReferenceFullTrial.of(ReferenceScene(pan[:124, :92], ms[:, :31, :23]))
    assert cut.scene.tile.pan.shape == (96, 64)
    assert cut.scene.tile.ms.shape == (4, 24, 16)


def test_what_stands_in_missing_pixels_does_not_count(images, make_scene):
    pan, ms, _ = images
    fused, _ = sharpen_to_array(make_scene(pan, ms), classical.get("gsa"))
    holed = pan.copy()
    holed[100:110, 30:60] = np.nan
    scores = []
    for value in (np.nan, 5000.0):
        damaged = fused.copy()
        damaged[:, 100:110, 30:60] = value
        valid = np.ones(damaged.shape, bool)
        valid[:, 100:110, 30:60] = False
        source = ArraySource(np.where(valid, damaged, 0), valid)
        scores.append(measure(make_scene(holed, ms), FusedSource(source)))
    assert scores[0].values == scores[1].values
    assert scores[0].missing == 300


def test_spectral_error_shows_in_the_spectral_index_and_blur_in_the_spatial(scene):
    method = classical.get("mtf-glp-fs")
    image, _ = sharpen_to_array(scene, method)
    good = measure(scene, FusedSource(ArraySource.of(image))).values
    mixed = measure(scene, FusedSource(ArraySource.of(image[::-1]))).values
    blurred = measure(scene, FusedSource(ArraySource.of(sharpen_to_array(scene, classical.get("exp"))[0]))).values
    assert mixed["D_lambda_K"] > 5 * good["D_lambda_K"]
    assert blurred["D_s"] > good["D_s"]


def test_one_band_has_no_d_lambda_and_says_why(images, make_scene):
    pan, ms, _ = images
    found = FullTrial(make_scene(pan, ms[:1])).score(classical.get("exp"))
    assert set(found.values) == {"D_s", "D_lambda_K", "D_lambda_K_decimated", "HQNR"}
    assert "at least 2 bands" in found.omitted["D_lambda"]


def test_a_small_ms_has_no_decimated_form_and_says_why(images, make_scene):
    pan, ms, _ = images
    found = FullTrial(make_scene(pan[:64, :64], ms[:, :16, :16])).score(classical.get("exp"))
    assert "HQNR" in found.values
    assert "at least 32 pixels, found 16" in found.omitted["D_lambda_K_decimated"]


@pytest.mark.parametrize("value", [0.0, 500.0])
def test_images_without_contrast_have_finite_scores(make_scene, value):
    """Flat blocks compare only their means, and all zero means nothing differs: a perfect score, never NaN."""
    pan, ms = np.full((128, 128), value), np.full((4, 32, 32), value)
    found = FullTrial(make_scene(pan, ms)).score(classical.get("mtf-glp-fs")).values
    assert len(found) == 6
    assert found["HQNR"] == pytest.approx(1, abs=1e-6)


def test_one_constant_band_gives_finite_scores(images, make_scene):
    pan, ms, _ = images
    ms[2] = 300
    for name in classical.names():
        found = FullTrial(make_scene(pan, ms)).score(classical.get(name)).values
        assert np.isfinite(list(found.values())).all(), name


def test_impossible_input_is_refused(images, make_scene, damaged):
    pan, ms, truth = images
    with pytest.raises(InputError, match="at least 32x32 PAN pixels"):
        FullTrial(make_scene(pan[:28, :64], ms[:, :7, :16])).score(classical.get("exp"))
    with pytest.raises(InputError, match=r"fused: expected the 4 bands of the MS, found 3"):
        measure(make_scene(pan, ms), FusedSource(ArraySource.of(truth[:3])))
    with pytest.raises(InputError, match=r"fused.*: expected finite pixels"):
        FullTrial(make_scene(pan, ms)).score(damaged)
    nothing = make_scene(np.full_like(pan, np.nan), ms)
    with pytest.raises(InputError, match="found none"):
        measure(nothing, FusedSource(ArraySource.of(truth)))
