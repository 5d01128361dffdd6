"""Sweeps: the configurations of a grid, their folds and seeds, trained as populations and saved in a store."""
