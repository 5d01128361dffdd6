"""What the letters on the page about schedules stand for: each schedule at many updates."""

from collections.abc import Callable, Iterator
from functools import partial

from blackboard import Values

from deltarule.maths.schedules import SCHEDULES

RATE = 0.8
NUMBERS: dict[str, dict[str, tuple[str, float]]] = {
    "constant": {},
    "step": {"every": ("n", 3.0), "factor": ("f", 0.5)},
    "exponential": {"factor": ("f", 0.9)},
    "inverse_scaling": {"power": ("q", 0.5)},
    "squaring": {"every": ("n", 3.0), "at_start": ("k_0", 1)},
    "cosine": {"steps": ("n", 10.0), "lowest": ("q", 0.1), "warm_up": ("w", 4.0)},
    "coslog4": {"steps": ("n", 10.0)},
    "flat_cosine": {"steps": ("n", 10.0), "flat": ("q", 0.4)},
    "warm_up": {"steps": ("n", 4.0)},
    "linear_ramp": {"steps": ("n", 10.0), "highest": ("h", 2.0)},
    "exponential_ramp": {"steps": ("n", 10.0), "highest": ("h", 2.0)},
}
"""For each schedule its parameters, with their letters and the values that are tried."""


def rates(name: str) -> Iterator[Values]:
    """The rates of a schedule, before, at and after its turns."""
    parameters = {parameter: value for parameter, (_, value) in NUMBERS[name].items()}
    letters = dict(NUMBERS[name].values())
    for t in (0.0, 1.0, 3.0, 4.0, 7.0, 10.0, 12.0):
        rate = SCHEDULES[name].rate(t, RATE, **parameters)
        yield Values({"t": t, "α": RATE, "α_t": float(rate), **letters})


VALUES: dict[str, Callable[[], Iterator[Values]]] = {name: partial(rates, name) for name in NUMBERS}
