"""Sweeps: the configurations of a grid, trained as populations and stored."""
