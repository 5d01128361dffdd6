"""deltarule: train, prove and see multi-layer perceptrons.

`__init__.pyi` lists the public names; each is imported when it is first used, so that `import deltarule` is quick.
"""

import sys
from importlib import import_module
from typing import Any

import lazy_loader

_import_name, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["__version__"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name == "__version__":
        from importlib.metadata import version  # a tenth of the time that `deltarule --help` may take

        return version("deltarule")
    return _import_name(name)


def _show_in_notebooks() -> None:
    # import_module waits while another thread imports IPython: until then the module in sys.modules is incomplete.
    shell = import_module("IPython").get_ipython() if sys.modules.get("IPython") else None
    if shell is not None:
        import_module("deltarule.reports.notebook").register(shell)


_show_in_notebooks()
