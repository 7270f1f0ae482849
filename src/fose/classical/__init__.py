"""Classical pansharpening methods."""
