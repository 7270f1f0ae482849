"""Scores of one image against another: the metrics' own numbers, and a reason for each that is absent."""

import numpy as np
import pytest

from fose import metrics
from fose.errors import InputError
from fose.evaluation.scores import array_strips, inside, with_reference


@pytest.fixture
def images():
    random = np.random.default_rng(1)
    reference = random.uniform(100, 1000, (3, 150, 90)).astype(np.float32)
    return reference, reference + random.normal(0, 30, reference.shape).astype(np.float32)


def score(reference, fused, valid=None, cut=0, ratio=4.0, peak=None):
    return with_reference(array_strips(reference, fused, valid, cut), ratio, peak)


def test_scores_are_those_of_the_metrics_on_whole_arrays(images):
    reference, fused = images
    found = score(reference, fused, peak=2047.0)
    expected = {
        "SAM": metrics.sam(reference, fused),
        "ERGAS": metrics.ergas(reference, fused, 4),
        "Q2n": metrics.q2n(reference, fused),
        "Q_avg": metrics.q_avg(reference, fused),
        "SCC": metrics.scc(reference, fused),
        "PSNR": metrics.psnr(reference, fused, 2047),
        "SSIM": metrics.ssim(reference, fused, 2047),
    }
    assert found.values == pytest.approx(expected, rel=1e-12)
    assert (found.omitted, found.pixels, found.missing) == ({}, 150 * 90, 0)


def test_the_cut_is_the_toolboxes(images):
    assert inside(256, 21) == slice(20, 235)
    assert inside(256, 0) == slice(0, 256)
    reference, fused = images
    found = score(reference, fused, cut=11)
    assert found.values["Q2n"] == metrics.q2n(reference[:, 10:-11, 10:-11], fused[:, 10:-11, 10:-11])


@pytest.mark.parametrize("cut", [128, 500, -1])
def test_a_cut_that_leaves_nothing_is_refused(cut):
    with pytest.raises(InputError, match=r"cut: expected"):
        inside(255, cut)


def test_missing_pixels_may_hold_anything_and_are_counted(images):
    reference, fused = images
    valid = np.ones((150, 90), bool)
    valid[:7, :5] = False
    damaged = fused.copy()
    damaged[:, :7, :5] = np.nan
    found = score(reference, damaged, valid, peak=2047.0)
    assert found.values["SAM"] == pytest.approx(metrics.sam(reference, fused, valid), rel=1e-12)
    assert found.missing == 35
    assert "without missing pixels" in found.omitted["SSIM"]


def test_nan_in_a_pixel_that_counts_is_refused(images):
    reference, fused = images
    fused[1, 140, 3] = np.nan
    with pytest.raises(InputError, match=r"fused: expected finite pixels"):
        score(reference, fused)


def test_small_images_get_the_metrics_they_can_have_and_reasons_for_the_others(images):
    found = score(*(image[:, :20, :20] for image in images))
    assert set(found.values) == {"SAM", "ERGAS", "SCC"}
    assert "expected at least 32 pixels" in found.omitted["Q2n"]
    assert "--peak" in found.omitted["PSNR, SSIM"]


def test_zero_and_constant_images_have_documented_values(images):
    _, fused = images
    zero = score(np.zeros_like(fused), fused)
    assert "non-zero" in zero.omitted["SAM"]
    assert zero.values["ERGAS"] == np.inf
    constant = score(np.full_like(fused, 7), np.full_like(fused, 7), peak=255.0)
    assert constant.values["PSNR"] == np.inf
    assert constant.values["Q2n"] == constant.values["SCC"] == 1
    assert constant.values["ERGAS"] == 0


@pytest.mark.parametrize("shape", [(3, 150, 91), (2, 150, 90)])
def test_shapes_that_differ_are_refused(images, shape):
    with pytest.raises(InputError, match=r"fused: expected the"):
        score(images[0], np.ones(shape, np.float32))


def test_nothing_valid_is_refused(images):
    with pytest.raises(InputError, match="found none"):
        score(*images, valid=np.zeros((150, 90), bool))
