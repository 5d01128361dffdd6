"""Traces: every number of a pass forward, a pass back and an update, with the formula that makes it."""
