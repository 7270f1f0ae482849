"""PanCollection's training and validation patches as training samples.

A patch has no scene around it: it is its own little scene, whose statistics are measured on its 64 x 64 pixels.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fose.data.pancollection import open_pancollection
from fose.data.sample import Sample
from fose.data.splits import TRAIN
from fose.errors import InputError, ReadError

# The toolboxes decimate so that an MS pixel's corner lies half a PAN pixel into PAN.
PHASE = (0.5, 0.5)


def patches(folder: Path | str, sensor: str, split: str, count: int) -> Iterator[Sample]:
    """At most `count` samples, evenly spread over train_SENSOR.h5 or valid_SENSOR.h5, always the same ones.

    sensor: as in the file's name, such as wv3, which also says which MTF gains and wavelengths are declared.
    Raises ReadError where there is no such file, InputError where it is none of PanCollection's with ground truth.
    """
    path = Path(folder) / f"{'train' if split == TRAIN else 'valid'}_{sensor}.h5"
    if not path.is_file():
        raise ReadError(
            f"expected PanCollection's {path.name} in {folder}, found none; download the {sensor} training and "
            "validation files (docs/training.md) and name their folder with --data"
        )
    with open_pancollection(path) as file:
        guess = file.sensor()
        for index in np.linspace(0, len(file) - 1, min(count, len(file))).round().astype(int):
            image = file[int(index)]
            if image.gt is None:
                raise InputError(f"{path}: expected ground truth under the key gt, found none; nothing can be learned")
            yield Sample(
                pan=image.pan.astype(np.float32),
                ms=image.ms.astype(np.float32),
                target=image.gt.astype(np.float32),
                ratio=float(image.pan.shape[0] // image.ms.shape[1]),
                phase=PHASE,
                gains=guess.gains.astype(np.float32),
                pan_gain=guess.pan_gain,
                wavelengths=guess.wavelengths,
                name=f"{path.stem}/{index}",
            )
