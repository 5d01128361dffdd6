"""All engines that are installed."""

from importlib.util import find_spec

from deltarule.engines.autograd import AutogradEngine
from deltarule.engines.base import Engine
from deltarule.engines.compiled.engine import CompiledEngine
from deltarule.engines.reference import ReferenceEngine


def all_engines() -> dict[str, Engine]:
    """The engines by name; the autograd engine only where PyTorch is installed, as it always is in CI."""
    engines: dict[str, Engine] = {"reference": ReferenceEngine(), "compiled": CompiledEngine()}
    return engines | ({"autograd": AutogradEngine()} if find_spec("torch") else {})
