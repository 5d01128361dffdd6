"""deltarule: train, prove and see multi-layer perceptrons."""

from importlib.metadata import version as _version

__version__ = _version("deltarule")
