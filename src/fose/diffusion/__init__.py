"""Diffusion mathematics, apart from any network."""
