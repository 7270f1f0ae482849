"""Which source trains and which validates, by group and never by patch, and the manifest that records it."""

import json
from collections.abc import Iterable
from pathlib import Path

from fose.data.sources import Source

TRAIN, VALIDATION = "train", "validation"

# One group or more of each family, chosen once. Nothing here is ever an evaluation scene.
VALIDATION_GROUPS = frozenset(
    ("l7_P092R086", "wv2_spacenet6_3", "naip_eureka", "naip_santa_monica", "s2_boadella_2020", "hls30_5")
)


def split_of(source: Source) -> str:
    """The split of the source's group: TRAIN or VALIDATION."""
    return VALIDATION if source.group in VALIDATION_GROUPS else TRAIN


def write_manifest(path: Path | str, found: Iterable[Source]) -> None:
    """Write what a training run may see, one source a line: name, family, group, split, licence, sensor, sha256."""
    rows = [manifest_row(source) for source in found]
    lines = ",\n".join(f"  {json.dumps(row)}" for row in rows)
    Path(path).write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def manifest_row(source: Source) -> dict[str, str]:
    """One entry of the manifest."""
    return {
        "name": source.name,
        "family": source.family,
        "group": source.group,
        "split": split_of(source),
        "sensor": source.sensor,
        "licence": source.licence,
        "sha256": source.sha256,
    }
