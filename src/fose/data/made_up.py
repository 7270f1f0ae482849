"""Made-up sources for the smoke recipe and for tests: textures with a landscape's spectrum, no real imagery."""

import numpy as np

from fose.data.sources import Source

WAVELENGTHS = (480.0, 550.0, 660.0, 830.0)  # nm


def made_up_sources(count: int, seed: int, side: int = 160) -> list[Source]:
    """`count` four-band images of `side` pixels whose bands are mixtures of shared 1/f textures, uint16."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side))
    slope = 1 / np.maximum(frequency, 1 / side) ** 1.2
    made = []
    for index in range(count):
        noise = rng.normal(size=(3, side, side))
        textures = np.fft.irfft2(np.fft.rfft2(noise) * slope, s=(side, side))
        textures /= textures.std(axis=(1, 2), keepdims=True)
        bands = np.einsum("bt,thw->bhw", rng.uniform(0.2, 1.0, (4, 3)), textures)
        ms = np.clip(600 + 90 * bands, 1, 2047).astype(np.uint16)
        made.append(Source(f"made-up-{index}", "naip", f"made-up-{index}", "none", "CC0", WAVELENGTHS, ms))
    return made
