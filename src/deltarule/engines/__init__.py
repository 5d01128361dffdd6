"""Engines advance the state of a problem by a number of updates, and compute outputs; all else only reads states."""
