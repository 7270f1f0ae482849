"""Pure maths on arrays: no files, no sensors, no methods."""
