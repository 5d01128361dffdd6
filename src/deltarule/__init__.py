"""deltarule: train, prove and see multi-layer perceptrons.

The names below are the public interface; each is imported when it is first used, so that `import deltarule` is quick.
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deltarule.data.load import load
    from deltarule.errors import BadInput, DeltaruleError, RunFailed
    from deltarule.estimators.classifier import MLPClassifier
    from deltarule.estimators.conversion import from_sklearn, from_torch
    from deltarule.estimators.model_file import load_model
    from deltarule.estimators.onnx_graph import to_onnx
    from deltarule.estimators.regressor import MLPRegressor
    from deltarule.estimators.search import PopulationSearchCV
    from deltarule.estimators.tabular import TabularClassifier, TabularRegressor
    from deltarule.interop.torch import to_torch
    from deltarule.problem.create import create_problem
    from deltarule.problem.network import Network
    from deltarule.proofs.gradcheck import check_problem
    from deltarule.proofs.own_code.check import check_gradient, check_object, check_update, check_vjp
    from deltarule.proofs.own_code.compare import compare
    from deltarule.proofs.register import (
        register_activation,
        register_loss,
        register_optimizer,
        register_penalty,
        register_schedule,
        unregister,
    )
    from deltarule.proofs.trace.explain import explain
    from deltarule.proofs.why.report import why_not_learning
    from deltarule.reports.boundary import decision_boundary
    from deltarule.studies.reproducing import reproduce
    from deltarule.studies.sweeping import sweep
    from deltarule.sweeps.result import load_sweep
    from deltarule.training.range_test import range_test
    from deltarule.training.train import train

    __version__: str

_HOMES = {
    "BadInput": "errors",
    "DeltaruleError": "errors",
    "MLPClassifier": "estimators.classifier",
    "MLPRegressor": "estimators.regressor",
    "Network": "problem.network",
    "PopulationSearchCV": "estimators.search",
    "RunFailed": "errors",
    "TabularClassifier": "estimators.tabular",
    "TabularRegressor": "estimators.tabular",
    "check_gradient": "proofs.own_code.check",
    "check_object": "proofs.own_code.check",
    "check_problem": "proofs.gradcheck",
    "check_update": "proofs.own_code.check",
    "check_vjp": "proofs.own_code.check",
    "compare": "proofs.own_code.compare",
    "create_problem": "problem.create",
    "decision_boundary": "reports.boundary",
    "explain": "proofs.trace.explain",
    "from_sklearn": "estimators.conversion",
    "from_torch": "estimators.conversion",
    "load": "data.load",
    "load_model": "estimators.model_file",
    "load_sweep": "sweeps.result",
    "range_test": "training.range_test",
    "register_activation": "proofs.register",
    "register_loss": "proofs.register",
    "register_optimizer": "proofs.register",
    "register_penalty": "proofs.register",
    "register_schedule": "proofs.register",
    "reproduce": "studies.reproducing",
    "sweep": "studies.sweeping",
    "to_onnx": "estimators.onnx_graph",
    "to_torch": "interop.torch",
    "train": "training.train",
    "unregister": "proofs.register",
    "why_not_learning": "proofs.why.report",
}

__all__ = [
    "BadInput",
    "DeltaruleError",
    "MLPClassifier",
    "MLPRegressor",
    "Network",
    "PopulationSearchCV",
    "RunFailed",
    "TabularClassifier",
    "TabularRegressor",
    "__version__",
    "check_gradient",
    "check_object",
    "check_problem",
    "check_update",
    "check_vjp",
    "compare",
    "create_problem",
    "decision_boundary",
    "explain",
    "from_sklearn",
    "from_torch",
    "load",
    "load_model",
    "load_sweep",
    "range_test",
    "register_activation",
    "register_loss",
    "register_optimizer",
    "register_penalty",
    "register_schedule",
    "reproduce",
    "sweep",
    "to_onnx",
    "to_torch",
    "train",
    "unregister",
    "why_not_learning",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version  # a tenth of the time that `deltarule --help` may take

        return version("deltarule")
    if name not in _HOMES:
        raise AttributeError(f"module 'deltarule' has no attribute '{name}'")
    return getattr(import_module(f"deltarule.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})


def _show_in_notebooks() -> None:
    # An import, which waits where another thread is at it: what it has put there until then lacks its parts.
    shell = import_module("IPython").get_ipython() if sys.modules.get("IPython") else None
    if shell is not None:
        import_module("deltarule.reports.notebook").register(shell)


_show_in_notebooks()
