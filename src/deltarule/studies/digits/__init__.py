"""Handwritten digits: a study of real images that needs no download."""
