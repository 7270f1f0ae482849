"""Protocols that measure sharpening methods on scenes."""
