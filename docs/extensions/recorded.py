"""What can be recorded, as the recorder and the compiled engine have it: ```` ```{recorded} elementwise ````."""

from collections.abc import Iterable

import numpy as np
from sphinx.application import Sphinx
from written import written_by

from deltarule.engines.compiled.elementary import FUNCTIONS as CALLED
from deltarule.engines.compiled.elementary import IN_PLACE
from deltarule.program.array_methods import COMPOSED, FUNCTIONS, ArrayMethods


def recorded(kind: str) -> str:
    """The functions of a kind as Markdown: "elementwise" ones, or those of "arrays".

    >>> "`np.tanh`" in recorded("elementwise") and "`np.pad`" in recorded("arrays")
    True
    """
    if kind == "arrays":
        names = [f"{function.__module__.replace('numpy', 'np')}.{function.__name__}" for function in FUNCTIONS]
        methods = [f".{name}" for name in "sum max min mean var std swapaxes cumsum squeeze reshape mT".split()]
        assert all(hasattr(ArrayMethods, name.removeprefix(".")) for name in methods)
        return _listed(["np.matmul", "np.zeros_like", "np.ones_like", *names, *methods])
    return _listed(map(_written, {*IN_PLACE, *CALLED, *COMPOSED} - {"select"}))


def _written(name: str) -> str:
    return f"np.{name}" if hasattr(np, name) else f"scipy.special.{name}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(set(names)))


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directive."""
    app.add_directive("recorded", written_by(recorded))
    return {"parallel_read_safe": True}
