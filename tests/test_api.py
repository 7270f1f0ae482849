"""The Python API: arrays and files give the same, arguments are checked, names are public and documented."""

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fose
from fose import FoseError, GridError, InputError, OutputError, ReadError


def test_public_names_are_there_and_documented():
    for name in fose.__all__:
        value = getattr(fose, name)
        assert name == "__version__" or inspect.getdoc(value), name
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        fose.nonsense  # noqa: B018


def test_errors_are_also_the_builtins_they_refine():
    assert issubclass(GridError, ValueError)
    assert issubclass(InputError, ValueError)
    assert issubclass(ReadError, OSError)
    assert issubclass(OutputError, OSError)
    assert all(issubclass(kind, FoseError) for kind in (GridError, InputError, ReadError, OutputError))


@given(
    ratio=st.sampled_from([2.0, 2.5, 3.0, 4.0, 5.0, 6.0]),
    phase=st.tuples(st.floats(-1, 1), st.floats(-1, 1)),
    tile=st.tuples(st.integers(20, 90), st.integers(20, 90)),
    method=st.sampled_from(["exp", "brovey", "gsa", "mtf-glp-fs", "atwt"]),
)
@settings(max_examples=15)
def test_tiles_change_no_bit(synth, ratio, phase, tile, method):
    pan, ms = synth.arrays((22, 27), ratio, phase)
    pan[30:34, 20:25], ms[1, 5, 7] = np.nan, np.nan
    options = {"ratio": ratio, "phase": phase, "method": method}
    whole = fose.sharpen_array(pan, ms, **options)
    assert whole.shape == (3, *pan.shape)
    assert np.array_equal(whole, fose.sharpen_array(pan, ms, tile=tile, **options), equal_nan=True)


@pytest.mark.parametrize("method", ["brovey", "gsa", "mtf-glp-fs"])
@pytest.mark.parametrize("register", ["auto", "off"])
def test_arrays_and_files_agree(synth, tmp_path, method, register):
    pan, ms = synth.arrays((40, 50), 4.0, (1.0, -0.5))
    pair = synth.save_pair(tmp_path, pan, ms, 4.0, (1.0, -0.5))
    fose.sharpen(*pair, tmp_path / "out.tif", method, register=register)
    array = fose.sharpen_array(pan, ms, ratio=4, phase=(1, -0.5), method=method, register=register)
    assert np.allclose(synth.load(tmp_path / "out.tif"), array, rtol=1e-4, atol=0.05)


def test_paths_may_be_text_or_paths_one_or_many(synth, tmp_path):
    pan, ms = synth.textured_pair(tmp_path)
    one = fose.sharpen(str(pan), str(ms), str(tmp_path / "a.tif"), "exp")
    many = fose.sharpen(pan, [ms, ms], tmp_path / "b.tif", "exp", bands=(1, 4))
    assert one.shape == (3, 120, 148)
    assert many.shape == (2, 120, 148)
    out = synth.load(tmp_path / "b.tif")
    assert np.array_equal(out[0], out[1])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32, np.float64])
def test_any_real_type_gives_float32(synth, dtype):
    pan, ms = (np.clip(image / 10, 0, 255).astype(dtype) for image in synth.arrays())
    assert fose.sharpen_array(pan, ms).dtype == np.float32


def test_inputs_are_left_as_they_are(synth):
    pan, ms = synth.arrays()
    before = pan.copy(), ms.copy()
    fose.sharpen_array(pan, ms, method="gsa", register="auto")
    assert np.array_equal(pan, before[0])
    assert np.array_equal(ms, before[1])


def test_missing_pixels_are_nan(synth):
    pan, ms = synth.arrays()
    pan[10, 11], ms[1, 20, 20] = -1, -1
    out = fose.sharpen_array(pan, ms, nodata=-1, method="brovey")
    expected = np.zeros(out.shape, bool)
    expected[:, 10, 11] = expected[1, 80:84, 80:84] = True
    assert np.array_equal(np.isnan(out), expected)


def test_beyond_the_ms_is_nan(synth):
    pan, ms = synth.arrays((20, 20), pan_shape=(80, 120))
    out = fose.sharpen_array(pan, ms, ratio=4, method="exp")
    assert np.isfinite(out[:, :, :82]).all()
    assert np.isnan(out[:, :, 82:]).all()


def test_the_ratio_defaults_to_the_shapes(synth):
    pan, ms = synth.arrays((30, 36), 2.5)
    assert np.array_equal(fose.sharpen_array(pan, ms), fose.sharpen_array(pan, ms, ratio=2.5))


def test_registration_of_arrays(synth):
    pan, _ = synth.arrays((150, 160))
    _, ms = synth.arrays((150, 160), 4.0, (-1.5, 2.0))
    moved = fose.sharpen_array(pan, ms, ratio=4, method="mtf-glp-fs", register="auto")
    left = fose.sharpen_array(pan, ms, ratio=4, method="mtf-glp-fs")
    true = fose.sharpen_array(pan, synth.arrays((150, 160))[1], ratio=4, method="mtf-glp-fs")
    inner = (slice(None), slice(40, -40), slice(40, -40))
    assert (moved - true)[inner].std() < 0.3 * (left - true)[inner].std()


PAN, MS = np.ones((80, 80), np.float32), np.ones((3, 20, 20), np.float32)
WRONG = {
    "pan of three axes": ({"pan": MS}, r"expected pan \(H, W\) and ms \(C, h, w\), bands first"),
    "ms of two axes": ({"ms": PAN}, r"expected pan \(H, W\) and ms \(C, h, w\), bands first"),
    "empty": ({"ms": MS[:0]}, r"expected pan .* found \(80, 80\) and \(0, 20, 20\)"),
    "complex": ({"pan": PAN + 1j}, "pan: expected real numbers, found complex64"),
    "text": ({"ms": MS.astype(str)}, "ms: expected real numbers"),
    "ratio": ({"ratio": 0.5}, "ratio: expected at least 1 PAN pixel per MS pixel, found 0.5"),
    "no ratio": ({"ratio": 0.0}, "ratio: expected"),
    "negative ratio": ({"ratio": -4.0}, "ratio: expected"),
    "endless ratio": ({"ratio": float("inf")}, "ratio: expected"),
    "two ratios": ({"ms": MS[:, :, :10]}, r"one ratio of PAN \(80, 80\) and MS \(20, 10\), found 4 by rows and 8 by"),
    "ratio by reference": ({"ratio": 2, "conventions": "reference"}, "conventions reference: .* fix ratio; leave"),
    "more by reference": (
        {"phase": (1, 1), "nodata": 0, "resampling": "cubic", "register": "auto", "conventions": "reference"},
        "fix phase, nodata, resampling, register; leave",
    ),
    "ms finer": ({"pan": PAN[:10, :10]}, "ratio: expected at least 1 PAN pixel per MS pixel"),
    "phase": ({"phase": (500, 0)}, "phase: expected MS .* to overlap PAN"),
    "method": ({"method": "magic"}, "found 'magic'"),
    "kernel": ({"resampling": "sinc"}, "resampling: expected one of"),
    "sensor": ({"sensor": "hubble"}, "hubble"),
    "conventions": ({"conventions": "mine"}, "conventions: expected scene or reference, found 'mine'"),
    "register": ({"register": "maybe"}, "--register: expected auto or off"),
    "reference": ({"register": "auto", "reference": "sun"}, "--reference: expected pan or ms"),
    "weights": ({"method": "exp", "weights": (1, 2, 3)}, "weights"),
    "tile": ({"tile": (0, 10)}, "tile: expected"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_arguments_are_refused(case):
    given_, message = WRONG[case]
    with pytest.raises(InputError, match=message):
        fose.sharpen_array(**({"pan": PAN, "ms": MS} | given_))


def test_no_ms_and_unknown_options_are_refused(tmp_path):
    with pytest.raises(InputError, match="expected at least one MS file, found none"):
        fose.sharpen("pan.tif", [], tmp_path / "out.tif")
    with pytest.raises(InputError, match=r"expected options among bands, resampling, .*colour"):
        fose.sharpen("pan.tif", "ms.tif", tmp_path / "out.tif", colour="red")


@pytest.mark.parametrize("extent", ["everything", ""])
def test_an_unknown_extent_is_refused(synth, tmp_path, extent):
    pair = synth.textured_pair(tmp_path)
    with pytest.raises(InputError, match="extent: expected one of intersection, pan, union"):
        fose.sharpen(*pair, tmp_path / "out.tif", extent=extent)


def test_info_agrees_with_the_run(synth, tmp_path):
    pair = synth.textured_pair(tmp_path, ms_shape=(40, 50), phase=(1.0, -1.0))
    facts = fose.info(*pair)
    report = fose.sharpen(*pair, tmp_path / "out.tif")
    assert facts.output_shape == report.shape
    assert (facts.ratio, facts.phase, facts.sensor) == (report.ratio, report.phase, report.sensor)
    assert facts.registration == report.registration


def test_method_objects():
    assert fose.method("gsa").name == "gsa"
    with pytest.raises(InputError, match="weights"):
        fose.method("gsa", weights=(1, 2))
