"""Georeferenced rasters: grids, reading, tiles, writing and the sharpening pipeline."""
