"""Proofs: gradients checked three ways, and the mistake found where one is wrong."""
