"""Readers of the data that methods are trained and measured on."""
