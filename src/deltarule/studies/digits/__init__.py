"""Handwritten digits: a study on real images that needs no download, of no published report's."""
