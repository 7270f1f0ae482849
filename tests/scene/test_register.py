"""Registration: simulated shifts are measured, corrected and reported; where nothing is known nothing is moved."""

from dataclasses import replace

import numpy as np
import pytest

from fose.errors import InputError
from fose.ops.shift import Shift
from fose.scene.grid import array_pair
from fose.scene.register import Registration, corrected, measure, register
from fose.scene.sharpen import Options, sharpen_files


def shifted(synth, shift, ms_shape=(150, 170), ratio=4.0):
    """PAN and an MS that shows everything `shift` PAN pixels further down and right than its georeference says."""
    pan, _ = synth.arrays(ms_shape, ratio)
    _, ms = synth.arrays(ms_shape, ratio, (-shift[0], -shift[1]))
    return pan, ms


SHIFTS = [(0.0, 0.0), (0.6, -0.35), (-1.7, 2.4), (3.2, 0.0)]


@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize("ratio", [2.0, 4.0])
def test_a_simulated_shift_is_measured_to_a_tenth_of_a_pan_pixel(synth, shift, ratio):
    pan, ms = shifted(synth, shift, ratio=ratio)
    with synth.joined(pan, ms, ratio) as scene:
        found, windows, agreement = measure(scene)
    assert windows >= 1
    assert agreement > 0.7
    assert abs(found.rows - shift[0]) < 0.1
    assert abs(found.cols - shift[1]) < 0.1


@pytest.mark.parametrize("reference", ["pan", "ms"])
@pytest.mark.parametrize("shift", SHIFTS[1:])
def test_the_correction_takes_the_shift_out(synth, reference, shift):
    """Measured again nothing is left, and the images are those of a scene without shift."""
    pan, ms = shifted(synth, shift)
    with synth.joined(pan, ms) as scene:
        after, registration = register(scene, "auto", reference)
        assert registration.moved == {"pan": "ms", "ms": "pan"}[reference]
        left, _, _ = measure(after)
        tile = after.tile(synth.whole_window(pan.shape), 0)
    assert max(abs(left.rows), abs(left.cols)) < 0.1
    # Where PAN is the reference everything lies as PAN shows it; else as the MS does, which shows it further on.
    place = (0.0, 0.0) if reference == "pan" else (-shift[0], -shift[1])
    rows, cols = synth.centres(pan.shape, corner=place)
    true_pan = synth.texture(rows, cols)
    inner = slice(40, -40), slice(40, -40)
    spread = true_pan.std()
    assert np.abs(tile.pan - true_pan)[inner].std() < 0.12 * spread
    band = tile.ms_up[0][inner].astype(float)
    assert np.corrcoef(band.ravel(), true_pan[inner].ravel())[0, 1] > 0.95


def test_moving_pan_and_moving_the_ms_are_opposite():
    pair = array_pair((80, 80), (20, 20), 4.0, (0.0, 0.0))
    shift = Shift(1.5, -0.5, 0.01, 0.01)
    assert corrected(pair, shift, "ms").pan_shift == (1.5, -0.5)
    moved = corrected(pair, shift, "pan")
    assert float(moved.rows.position(10 - 1.5)) == pytest.approx(float(pair.rows.position(10)))
    assert float(moved.cols.position(10 + 0.5)) == pytest.approx(float(pair.cols.position(10)))


def test_off_leaves_everything(synth):
    pan, ms = shifted(synth, (1.7, 2.4))
    with synth.joined(pan, ms) as scene:
        after, registration = register(scene, "off", "pan")
        assert after is scene
    assert registration.summary == "off"
    assert registration.notes == []


@pytest.mark.parametrize("case", ["constant", "constant ms", "unrelated", "mostly missing"])
def test_where_nothing_is_known_nothing_is_moved(synth, case):
    pan, ms = shifted(synth, (1.0, 1.0))
    if case == "constant":
        pan, ms = np.full_like(pan, 100), np.full_like(ms, 200)
    elif case == "constant ms":
        ms = np.full_like(ms, 200)
    elif case == "unrelated":
        ms = np.random.default_rng(0).normal(1000, 100, ms.shape).astype(np.float32)
    else:
        pan[:, 60:] = np.nan
    with synth.joined(pan, ms) as scene:
        after, registration = register(scene, "auto", "pan")
        assert after.pair == scene.pair
    assert registration.moved is None
    assert registration.as_dict()["rows"] is None
    assert registration.summary == "shift unknown (no window shows PAN and MS alike); not corrected"


def test_a_shift_of_no_matter_is_reported_but_not_corrected(synth):
    pan, ms = shifted(synth, (0.03, 0.0))
    with synth.joined(pan, ms) as scene:
        after, registration = register(scene, "auto", "pan")
        assert after is scene
    assert registration.moved is None
    assert "not corrected" in registration.summary


def test_a_far_shift_is_reported_for_a_person_to_judge():
    registration = Registration("auto", Shift(6.0, 0.0, 0.01, 0.01), 9, 1.0, None)
    assert "too far to correct unseen, check the georeference" in registration.summary


@pytest.mark.parametrize(("mode", "reference"), [("maybe", "pan"), ("auto", "sun"), ("off", "sun")])
def test_unknown_words_are_refused(mode, reference):
    with pytest.raises(InputError, match=r"--re(gister|ference): expected"):
        register(None, mode, reference)


@pytest.mark.parametrize("reference", ["pan", "ms"])
def test_files_are_corrected_and_the_report_and_tags_say_so(synth, tmp_path, reference):
    shift = (1.7, -1.2)
    pan, ms = shifted(synth, shift)
    pair = synth.save_pair(tmp_path, pan, ms)
    options = Options(reference=reference, threads=2)
    sharpener = synth.SHARPENERS["test-detail"]
    report = sharpen_files(pair[0], [pair[1]], tmp_path / "out.tif", sharpener, options)
    assert report.registration["moved"] == {"pan": "ms", "ms": "pan"}[reference]
    assert report.registration["rows"] == pytest.approx(shift[0], abs=0.1)
    assert report.registration["cols"] == pytest.approx(shift[1], abs=0.1)
    assert any("moved" in note for note in report.notes)
    sharpen_files(pair[0], [pair[1]], tmp_path / "off.tif", sharpener, replace(options, register="off"))
    # The same pair, had nothing been shifted: where PAN is the reference as PAN lies, else as the MS does.
    if reference == "pan":
        ms = synth.arrays((150, 170))[1]
    else:
        pan = synth.texture(*synth.centres(pan.shape, corner=(-shift[0], -shift[1]))).astype(np.float32)
    with synth.joined(pan, ms, kernel=options.resampling) as scene:
        ideal = synth.sharpen_tiles(scene, sharpener)

    def error(name):
        return (synth.load(tmp_path / name) - ideal)[:, 40:-40, 40:-40].std()

    assert error("out.tif") < 0.2 * error("off.tif")


@pytest.mark.parametrize("reference", ["pan", "ms"])
def test_registered_tiles_equal_the_whole(synth, reference):
    pan, ms = shifted(synth, (1.3, -0.8))
    pan[100:140, 200:260] = np.nan
    with synth.joined(pan, ms) as scene:
        after, registration = register(scene, "auto", reference)
        assert registration.moved
        whole = synth.sharpen_tiles(after, synth.SHARPENERS["test-detail"])
        tiled = synth.sharpen_tiles(after, synth.SHARPENERS["test-detail"], (256, 233))
    assert np.array_equal(whole, tiled, equal_nan=True)
