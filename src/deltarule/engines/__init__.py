"""Engines advance the state of a problem, and compute outputs."""
