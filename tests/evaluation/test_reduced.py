"""The reduced-resolution protocol: positions of samples, missing pixels, registration, and the toolboxes' numbers."""

import json

import numpy as np
import pytest

from fose import classical, metrics
from fose.classical.reference import ReferenceScene
from fose.errors import InputError
from fose.evaluation.reduced import ReducedTrial, ReferenceReducedTrial, degrade_pair, degrade_scene
from fose.scene import scene as scene_module

TOOLBOX = {
    "wv2_rr": ([0.35] * 7 + [0.27], 0.11),
    "ik_rr": ([0.26, 0.28, 0.29, 0.28], 0.17),
    "ge1_rr": ([0.23] * 4, 0.16),
}


@pytest.mark.parametrize("phase", [(0.0, 0.0), (1.25, 0.5)])
@pytest.mark.parametrize("ratio", [2, 4])
def test_degraded_pixels_lie_at_true_centres(ratio, phase):
    """A plane keeps its value at every position, so a misplaced sample shows as a wrong value."""
    rows, cols = np.mgrid[: 40 * ratio, : 48 * ratio].astype(np.float32)
    pan = 100 + rows + 3 * cols
    centre_rows, centre_cols = (phase[i] + ratio / 2 - 0.5 + ratio * np.arange(n) for i, n in ((0, 39), (1, 47)))
    ms = (100 + centre_rows[:, None] + 3 * centre_cols)[None].astype(np.float32)
    pair = degrade_pair(pan, ms, [0.3], 0.15, ratio, phase)
    inside = slice(8, -8)
    np.testing.assert_allclose(pair.pan[inside, inside], pair.target[0, inside, inside], atol=0.05)
    blocks = pair.target[0].reshape(pair.ms.shape[1], ratio, pair.ms.shape[2], ratio).mean(axis=(1, 3))
    np.testing.assert_allclose(pair.ms[0, 4:-4, 4:-4], blocks[4:-4, 4:-4], atol=0.05)


def test_the_target_is_the_ms_cut_to_whole_coarse_pixels(images):
    pan, ms, _ = images
    pair = degrade_pair(pan, ms[:, :63, :78], [0.3] * 4, 0.15, 4)
    np.testing.assert_array_equal(pair.target, ms[:, :60, :76])
    assert pair.pan.shape == (60, 76)
    assert pair.ms.shape == (4, 15, 19)


def test_tiles_do_not_matter(images, make_scene, monkeypatch):
    pan, ms, _ = images
    scene = make_scene(pan, ms, phase=(0.5, 0.5))
    whole = degrade_scene(scene)
    monkeypatch.setattr(scene_module, "STATISTICS_TILE", 64)
    tiled = degrade_scene(scene)
    np.testing.assert_array_equal(tiled.pan, whole.pan)
    np.testing.assert_array_equal(tiled.ms, whole.ms)
    np.testing.assert_array_equal(tiled.target, whole.target)


def test_what_stands_in_missing_pixels_does_not_count(images, make_scene):
    pan, ms, _ = images
    scores = []
    for garbage in (0.0, 9999.0):
        holed = ms.copy()
        holed[:, 20:30, 20:30] = np.nan
        scene = make_scene(np.where(np.arange(pan.shape[1]) < 24, np.nan, pan), holed)
        trial = ReducedTrial.wald(scene)
        trial.target[:, ~trial.valid] = garbage
        scores.append(trial.score(classical.get("gsa")))
    assert scores[0].values == scores[1].values
    assert 0 < scores[0].missing < scores[0].pixels


def test_registration_is_tested_not_punished(images, make_scene):
    """PAN lies two pixels off: with registration the result keeps the MS's geometry and comes nearer to it."""
    pan, ms, truth = images
    scene = make_scene(np.roll(pan, 2, axis=0), ms)
    gsa = classical.get("gsa")
    off, on = (ReducedTrial.given(scene, truth, mode=mode).score(gsa).values["ERGAS"] for mode in ("off", "auto"))
    aligned = ReducedTrial.given(make_scene(pan, ms), truth).score(gsa).values["ERGAS"]
    assert on < 0.7 * off
    assert on == pytest.approx(aligned, rel=0.25)


def test_the_target_itself_would_be_perfect_and_methods_rank(images, make_scene):
    pan, ms, _ = images
    trial = ReducedTrial.wald(make_scene(pan, ms), peak=2047.0)
    exp, gsa = (trial.score(classical.get(name)).values for name in ("exp", "gsa"))
    assert gsa["ERGAS"] < exp["ERGAS"]
    assert gsa["Q2n"] > exp["Q2n"]


@pytest.mark.parametrize("case", TOOLBOX)
def test_reference_conventions_give_the_toolboxes_numbers(refvec, case):
    expected = json.loads((refvec / case / "reference.json").read_text())["all_method_metrics"]
    stored = np.load(refvec / case / "inputs.npz")
    scene = ReferenceScene(stored["pan"], stored["ms_lr"].transpose(2, 0, 1), *TOOLBOX[case])
    trial = ReferenceReducedTrial(scene, stored["gt"].transpose(2, 0, 1))
    for name in ("exp", "gsa", "mtf-glp-fs"):
        found = trial.score(classical.get(name)).values
        octave = expected[name.upper().replace("-", "_")]["cut21_th0"]
        assert {metric: found[metric] for metric in octave} == pytest.approx(octave, rel=2e-6), name


def test_reference_wald_uses_the_toolboxes_operators(images):
    from fose.ops import reference

    pan, ms, _ = images
    trial = ReferenceReducedTrial.wald(ReferenceScene(pan, ms), cut=0)
    low_ms, low_pan = reference.wald_reduce(ms, pan, [0.3] * 4, 4)
    expected = metrics.ergas(ms, reference.interpolate23(low_ms, 4), 4)
    assert trial.score(classical.get("exp")).values["ERGAS"] == pytest.approx(expected, rel=1e-9)
    assert low_pan.shape == trial.scene.tile.pan.shape


def test_impossible_scenes_are_refused(images, make_scene, damaged):
    pan, ms, truth = images
    with pytest.raises(InputError, match=r"ratio of at least 1\.5"):
        degrade_scene(make_scene(pan[:64, :80], ms, ratio=1.0))
    with pytest.raises(InputError, match="at least 4x4"):
        degrade_scene(make_scene(pan[:12, :12], ms[:, :3, :3]))
    with pytest.raises(InputError, match=r"target: expected 4 bands on PAN's grid"):
        ReducedTrial.given(make_scene(pan, ms), truth[:3])
    with pytest.raises(InputError, match=r"fused: expected finite pixels"):
        ReducedTrial.given(make_scene(pan, ms), truth).score(damaged)
