"""Engines: they advance a state by some updates, and compute outputs; everything else only watches."""
