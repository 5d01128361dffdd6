"""What the letters on the page about initial weights stand for."""

from collections.abc import Iterator
from functools import partial

from blackboard import Values

from deltarule.maths.initializers import INITIALIZERS


def law(name: str) -> Iterator[Values]:
    """The limit and the deviation of a law, for layers of some sizes."""
    for D, H in ((8, 3), (784, 100)):
        c, s = (INITIALIZERS[f"{name}_{kind}"].spread(D, H) for kind in ("uniform", "normal"))
        yield Values({"D": D, "H": H, "c": c, "s": s})


def any_law() -> Iterator[Values]:
    """All three."""
    for name in ("glorot", "he", "lecun"):
        yield from law(name)


def of_pytorch() -> Iterator[Values]:
    """The limit of PyTorch's own law, for layers of some sizes."""
    for D, H in ((8, 3), (784, 100)):
        yield Values({"D": D, "c": INITIALIZERS["torch_uniform"].spread(D, H)})


VALUES = {
    "Initial weights: Glorot (Xavier), He and other initializations": any_law,
    "glorot_uniform, glorot_normal": partial(law, "glorot"),
    "he_uniform, he_normal": partial(law, "he"),
    "lecun_uniform, lecun_normal": partial(law, "lecun"),
    "torch_uniform": of_pytorch,
}
