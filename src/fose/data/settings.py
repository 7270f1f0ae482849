"""What is varied between samples, and how strongly."""

from dataclasses import dataclass

from fose.errors import InputError


@dataclass(frozen=True)
class Settings:
    """How strongly samples are varied; the defaults train, zeros give pure degradation.

    Raises InputError unless a target of `size` pixels holds `least` pixels and four MS pixels at every ratio.
    """

    size: int = 256  # largest side of a target, pixels
    least: int = 64  # smallest side, pixels: smaller images are not shrunk and take part at low ratios only
    ratios: tuple[int, ...] = (2, 3, 4, 4, 4, 5, 6)
    shrink_probability: float = 0.7  # of an image without PAN being made smaller, and so sharper
    shift_probability: float = 0.5  # of PAN lying off the declared grid
    shift: float = 0.5  # at most so many PAN pixels on each axis
    band_shift_probability: float = 0.4  # of MS bands lying off each other
    band_shift: float = 0.3  # standard deviation, PAN pixels
    noise_probability: float = 0.5
    noise: float = 0.02  # at most, in standard deviations of a band
    nonlinearity: float = 0.15  # PAN's largest exponent off 1, in one sample of three
    field: float = 0.06  # largest relative change of PAN's band weights across the image
    subsets: bool = True  # some of the bands in any order; else all as stored
    object_probability: float = 0.25  # of bright or dark objects with sharp edges, up to saturation (made-up sensors)
    hidden_probability: float = 0.3  # of PAN also seeing light that no band of a made-up sensor sees
    soft_probability: float = 0.5  # of a made-up sensor's bands having been blurred by its optics
    wide_probability: float = 0.2  # of an image without PAN being given eight bands
    anonymous_probability: float = 0.2  # of wavelengths being unknown

    def __post_init__(self) -> None:
        needed = max(self.least, 4 * max(self.ratios))
        if self.size < needed:
            raise InputError(f"size: expected targets of at least {needed} pixels a side, found {self.size}")
