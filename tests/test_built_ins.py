"""Every built-in formula has its entry in every table by names, or a reason to have none."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from deltarule.checking.mistakes import network_program
from deltarule.export.torch_modules import MODULES
from deltarule.maths.activations import ACTIVATIONS
from deltarule.maths.initializers import INITIALIZERS
from deltarule.maths.losses import LOSSES
from deltarule.maths.optimizers import OPTIMIZERS
from deltarule.maths.penalties import PENALTIES
from deltarule.maths.schedules import SCHEDULES
from deltarule.problem.settings import PARAMETERS

PAGES = Path(__file__).parents[1] / "docs" / "derivations"
NONE: Mapping[str, str] = MappingProxyType({})


def headings(page: str) -> set[str]:
    """The names that a page of derivations has a section for: `leaky_relu` for "Leaky ReLU"."""
    found = re.findall(r"^#+ (.*)$", (PAGES / page).read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[ -]", "_", name.lower()) for heading in found for name in heading.replace("`", "").split(", ")}


def without_entry(built_in: Iterable[str], entries: Iterable[str], reasons: Mapping[str, str]) -> set[str]:
    return set(built_in) - set(entries) - set(reasons)


@pytest.mark.parametrize(
    ("built_in", "page", "reasons"),
    [
        (ACTIVATIONS, "activations.md", {"softmax": "has a page of its own"}),
        (LOSSES, "losses.md", NONE),
        (
            PENALTIES,
            "penalties.md",
            {name: "one section for all" for name in PENALTIES if name.endswith("_per_sample")},
        ),
        (OPTIMIZERS, "optimizers.md", NONE),
        (SCHEDULES, "schedules.md", NONE),
        (
            INITIALIZERS,
            "initial-weights.md",
            dict.fromkeys(("zeros", "constant", "normal", "uniform", "positive_uniform"), "is what its parameter says"),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_formula_is_derived_on_a_page(built_in: Mapping[str, Any], page: str, reasons: Mapping[str, str]) -> None:
    assert without_entry(built_in, headings(page), reasons) == set()


@pytest.mark.needs("torch")
@pytest.mark.parametrize("kind", ["ACTIVATIONS", "LOSSES", "PENALTIES", "OPTIMIZERS"])
def test_every_formula_has_a_witness_in_pytorch(kind: str) -> None:
    from deltarule.engines import torch_reference

    assert set(getattr(torch_reference, kind)) == set(globals()[kind])


def test_every_activation_has_a_module_in_pytorch() -> None:
    reasons = {"identity": "needs none", "exponential": "PyTorch has none"}
    assert without_entry(ACTIVATIONS, MODULES, reasons) == set()


def test_every_activation_and_loss_is_recognized_in_code_of_others() -> None:
    rare = dict.fromkeys(("selu", "mish", "gelu", "quantile"), "not seen in code that is checked")
    rare["naive_binary_cross_entropy"] = "is a slip in a listing, and no loss of its own"
    assert without_entry(ACTIVATIONS, network_program._ACTIVATIONS, rare) == set()
    assert without_entry(LOSSES, network_program._LOSSES, rare) == set()


def test_every_parameter_of_a_formula_has_a_range() -> None:
    any_number = {"leaky_relu.slope", "elu.alpha", "constant.value"}
    kinds = (ACTIVATIONS, LOSSES, INITIALIZERS, OPTIMIZERS, SCHEDULES)
    parameters = {f"{one.name}.{name}" for kind in kinds for one in kind.values() for name in one.parameters}
    assert parameters - any_number == set(PARAMETERS) - any_number
