"""Every engine that can run here."""

from importlib.util import find_spec

from deltarule.engines.autograd import AutogradEngine
from deltarule.engines.base import Engine
from deltarule.engines.compiled.engine import CompiledEngine
from deltarule.engines.reference import ReferenceEngine


def all_engines() -> dict[str, Engine]:
    """Engines by a name for the test; the autograd engine only where PyTorch is installed, as it always is in CI."""
    engines: dict[str, Engine] = {
        "reference": ReferenceEngine(),
        "compiled": CompiledEngine(),
        "compiled for all shapes": CompiledEngine(own_shape=False),
    }
    return engines | ({"autograd": AutogradEngine()} if find_spec("torch") else {})
