"""The two ways in which deltarule says no, each in one sentence."""


class DeltaruleError(Exception):
    """Anything deltarule refuses or fails at; its text is one sentence for the person who reads it."""


class BadInput(DeltaruleError, ValueError):
    """What was given cannot be used; the command line ends with status 2.

    >>> raise BadInput("a layer has 0 units; give every layer at least 1")
    Traceback (most recent call last):
        ...
    deltarule.errors.BadInput: a layer has 0 units; give every layer at least 1
    """


class RunFailed(DeltaruleError, RuntimeError):
    """What was asked is possible but did not work out; the command line ends with status 1."""
