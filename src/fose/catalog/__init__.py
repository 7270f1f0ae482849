"""Many scenes: which they are (`scenes`, `stac`), sharpening them one by one (`run`), catalogue entries (`item`)."""
