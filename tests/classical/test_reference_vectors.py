"""Every method in the toolboxes' conventions gives the toolboxes' numbers (Octave, see shared/refvec)."""

import numpy as np
import pytest

from fose import classical
from fose.classical.reference import ReferenceScene

CASES = {
    "wv2_m": ((0.35,) * 7 + (0.27,), 0.11),
    "ik_m": ((0.26, 0.28, 0.29, 0.28), 0.17),
    "ge1_m": ((0.23,) * 4, 0.16),
}


@pytest.mark.parametrize("name", classical.names())
@pytest.mark.parametrize("case", CASES)
def test_method_equals_the_toolbox(refvec, case, name):
    inputs = np.load(refvec / case / "inputs.npz")
    vectors = np.load(refvec / case / "methods.npz")
    key = name.upper().replace("-", "_").replace("BROVEY", "Brovey")
    if key == "EXP":
        expected = inputs["lms"]
    elif key in vectors:
        expected = vectors[key]
    else:
        pytest.skip(f"the toolbox was not run for {name} on {case}")
    gains, pan_gain = CASES[case]
    scene = ReferenceScene(inputs["pan"], inputs["ms_lr"].transpose(2, 0, 1), gains, pan_gain)
    found = scene.sharpen(classical.get(name))
    tolerance = 1e-2 if name == "bdsd-pc" else 2e-3
    np.testing.assert_allclose(found, expected.transpose(2, 0, 1), atol=tolerance, rtol=0)
