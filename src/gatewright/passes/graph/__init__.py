"""Passes over graphs, a file each."""
