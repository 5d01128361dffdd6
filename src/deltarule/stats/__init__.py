"""Metrics, confidence intervals, effects, rankings, and decision planes."""
