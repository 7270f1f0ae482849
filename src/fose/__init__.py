"""fose: pansharpening of whole scenes."""
