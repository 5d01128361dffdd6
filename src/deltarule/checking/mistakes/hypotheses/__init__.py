"""Hypotheses about a wrong gradient that need nothing but its numbers, one module per family."""
