"""Choosing an engine by its name."""

from deltarule.engines.base import Engine
from deltarule.errors import BadInput

NAMES = ("auto", "reference", "compiled", "autograd")


def engine(name: str) -> Engine:
    """The engine of a name; "auto" takes the best that there is for the work.

    Raises `BadInput` for a name that there is not, and for an engine that is not there yet.

    >>> engine("auto").name
    'reference'
    """
    if name in ("auto", "reference"):
        from deltarule.engines.reference import ReferenceEngine

        return ReferenceEngine()
    if name == "autograd":
        from deltarule.engines.autograd import AutogradEngine

        return AutogradEngine()
    if name == "compiled":
        raise BadInput('the engine "compiled" does not exist yet; use "reference" or "autograd"')
    raise BadInput(f"there is no engine '{name}'; there are: {', '.join(NAMES)}")
