"""deltarule: train, prove and see multi-layer perceptrons.

The names below are the public interface; each is imported when it is first used, so that `import deltarule` is quick.
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deltarule.checking.check import check_gradient, check_object, check_update, check_vjp
    from deltarule.checking.compare import compare
    from deltarule.data.load import load
    from deltarule.errors import BadInput, DeltaruleError, RunFailed
    from deltarule.estimators.mlp.classifier import MLPClassifier
    from deltarule.estimators.mlp.regressor import MLPRegressor
    from deltarule.estimators.model_file import load_model
    from deltarule.estimators.search.search import PopulationSearchCV
    from deltarule.estimators.tabular.classifier import TabularClassifier
    from deltarule.estimators.tabular.regressor import TabularRegressor
    from deltarule.export.from_libraries import from_sklearn, from_torch
    from deltarule.export.onnx_graph import to_onnx
    from deltarule.export.torch_modules import to_torch
    from deltarule.playground.widget import play
    from deltarule.problem.create import create_problem
    from deltarule.problem.network import Network
    from deltarule.proofs.custom_formulas import (
        register_activation,
        register_loss,
        register_optimizer,
        register_penalty,
        register_schedule,
        unregister,
    )
    from deltarule.proofs.gradcheck import check_problem
    from deltarule.reports.boundary import decision_boundary
    from deltarule.studies.reproduce_studies import reproduce
    from deltarule.studies.sweep_study import sweep
    from deltarule.sweeps.result import load_sweep
    from deltarule.symptoms.report import why_not_learning
    from deltarule.tracing.explain import explain
    from deltarule.training.range_test import range_test
    from deltarule.training.train import train

    __version__: str

_MODULE_OF_NAME = {
    "BadInput": "errors",
    "DeltaruleError": "errors",
    "MLPClassifier": "estimators.mlp.classifier",
    "MLPRegressor": "estimators.mlp.regressor",
    "Network": "problem.network",
    "PopulationSearchCV": "estimators.search.search",
    "RunFailed": "errors",
    "TabularClassifier": "estimators.tabular.classifier",
    "TabularRegressor": "estimators.tabular.regressor",
    "check_gradient": "checking.check",
    "check_object": "checking.check",
    "check_problem": "proofs.gradcheck",
    "check_update": "checking.check",
    "check_vjp": "checking.check",
    "compare": "checking.compare",
    "create_problem": "problem.create",
    "decision_boundary": "reports.boundary",
    "explain": "tracing.explain",
    "from_sklearn": "export.from_libraries",
    "from_torch": "export.from_libraries",
    "load": "data.load",
    "load_model": "estimators.model_file",
    "load_sweep": "sweeps.result",
    "play": "playground.widget",
    "range_test": "training.range_test",
    "register_activation": "proofs.custom_formulas",
    "register_loss": "proofs.custom_formulas",
    "register_optimizer": "proofs.custom_formulas",
    "register_penalty": "proofs.custom_formulas",
    "register_schedule": "proofs.custom_formulas",
    "reproduce": "studies.reproduce_studies",
    "sweep": "studies.sweep_study",
    "to_onnx": "export.onnx_graph",
    "to_torch": "export.torch_modules",
    "train": "training.train",
    "unregister": "proofs.custom_formulas",
    "why_not_learning": "symptoms.report",
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
    "play",
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
    """Import a public name when it is first used."""
    if name == "__version__":
        from importlib.metadata import version  # a tenth of the time that `deltarule --help` may take

        return version("deltarule")
    if name not in _MODULE_OF_NAME:
        raise AttributeError(f"module 'deltarule' has no attribute '{name}'")
    return getattr(import_module(f"deltarule.{_MODULE_OF_NAME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})


def _show_in_notebooks() -> None:
    """Register the HTML of our records with IPython, if this is a notebook."""
    # import_module waits while another thread imports IPython: until then the module in sys.modules is incomplete.
    shell = import_module("IPython").get_ipython() if sys.modules.get("IPython") else None
    if shell is not None:
        import_module("deltarule.reports.notebook").register(shell)


_show_in_notebooks()
