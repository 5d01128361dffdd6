"""Populations on an NVIDIA GPU: the program of an update as a kernel, one member a thread."""
