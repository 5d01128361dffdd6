"""Every built-in formula has its entry in every table by names, or a reason to have none."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from scripts import module_at

from deltarule.checking.mistakes import network_program
from deltarule.maths.activations import ACTIVATIONS
from deltarule.maths.initializers import INITIALIZERS
from deltarule.maths.losses import LOSSES
from deltarule.maths.optimizers import HYPERPARAMETERS, OPTIMIZERS
from deltarule.maths.penalties import PENALTIES
from deltarule.maths.schedules import SCHEDULES
from deltarule.problem.ranges import PARAMETERS

PAGES = Path(__file__).parents[1] / "docs" / "derivations"
NONE: Mapping[str, str] = MappingProxyType({})


def headings(page: str) -> set[str]:
    """The names that a page of derivations has a section for: `leaky_relu` for "Leaky ReLU"."""
    found = re.findall(r"^#+ (.*)$", (PAGES / page).read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[ -]", "_", name.lower()) for heading in found for name in heading.replace("`", "").split(", ")}


def check_entries(
    built_in: Iterable[str], entries: Iterable[str], file: str, reasons: Mapping[str, str] = NONE
) -> None:
    missing = [name for name in built_in if name not in entries and name not in reasons]
    assert not missing, f"edit {file}: it has nothing for {', '.join(missing)}"


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
    check_entries(built_in, headings(page), f"docs/derivations/{page} and {page[:-3]}.py beside it", reasons)


@pytest.mark.needs("torch")
@pytest.mark.parametrize("kind", ["ACTIVATIONS", "LOSSES", "PENALTIES", "OPTIMIZERS"])
def test_every_formula_has_a_witness_in_pytorch(kind: str) -> None:
    from deltarule.engines import torch_reference

    check_entries(globals()[kind], getattr(torch_reference, kind), "src/deltarule/engines/torch_reference.py")


def test_every_activation_has_a_module_in_pytorch() -> None:
    reasons = {"identity": "needs none", "exponential": "PyTorch has none"}
    has_module = {name for name, activation in ACTIVATIONS.items() if activation.module}
    check_entries(ACTIVATIONS, has_module, "`module` of its record in src/deltarule/maths/activations.py", reasons)


def test_every_activation_and_loss_is_recognized_in_code_of_others() -> None:
    rare = dict.fromkeys(("selu", "mish", "gelu", "quantile"), "not seen in code that is checked")
    rare["naive_binary_cross_entropy"] = "is a slip in a listing, and no loss of its own"
    file = "src/deltarule/checking/mistakes/network_expressions.toml"
    check_entries(ACTIVATIONS, network_program._ACTIVATIONS, file, rare)
    check_entries(LOSSES, network_program._LOSSES, file, rare)


def test_every_parameter_of_a_formula_has_a_range() -> None:
    any_number = {"leaky_relu.slope": "any", "elu.alpha": "any", "constant.value": "any"}
    kinds = (ACTIVATIONS, LOSSES, INITIALIZERS, OPTIMIZERS, SCHEDULES)
    parameters = {f"{one.name}.{name}" for kind in kinds for one in kind.values() for name in one.parameters}
    file = "PARAMETERS in src/deltarule/problem/ranges.py, or an optimizer's HYPERPARAMETERS beside it"
    check_entries(parameters, PARAMETERS, file, any_number)
    assert set(PARAMETERS) <= parameters


def test_every_parameter_of_an_optimizer_has_its_own_meaning() -> None:
    for name, optimizer in OPTIMIZERS.items():
        file = f"HYPERPARAMETERS['{name}'] in src/deltarule/maths/optimizers.py"
        check_entries(optimizer.parameters, HYPERPARAMETERS.get(name, {}), file)


@pytest.mark.needs("sphinx")
def test_page_of_recipes_lists_every_kind_of_name() -> None:
    names_on_pages = module_at(PAGES.parent / "extensions" / "names.py")
    page = (PAGES.parent / "reference" / "recipes.md").read_text(encoding="utf-8")
    assert re.findall(r"^```\{names\} (.*)$", page, re.MULTILINE) == list(names_on_pages.KINDS)
    assert names_on_pages.names_of("losses").startswith("`squared_error`, `half_squared_error`, ")
    assert "`leaky_relu` (`slope = 0.01`), " in names_on_pages.names_of("activations")
    assert names_on_pages.names_of("data sets").startswith("`one_hot` (`size = 8`), ")
