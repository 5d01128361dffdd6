"""Hypotheses about a wrong gradient that need only its numbers."""
