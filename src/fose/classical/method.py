"""What every classical method declares about itself."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Method:
    """Base of the classical sharpeners: their fields are their options, their class variables describe them."""

    name: ClassVar[str]
    summary: ClassVar[str]
    paper: ClassVar[str]
    halo: ClassVar[int] = 0  # MS pixels
    reach: ClassVar[int] = 0  # PAN pixels
    working: ClassVar[float] = 2.5  # float32 values per PAN pixel and band
