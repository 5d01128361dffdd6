"""Fill in the defaults of a configuration, for display and for its hash."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from deltarule.problem import registry
from deltarule.problem.configuration import FORMULAS, formulas_of
from deltarule.problem.formula_fingerprint import formula_digest
from deltarule.problem.recipe_sections import Configuration
from deltarule.problem.settings import SETTABLE

NUMERICS_VERSIONS = {"float64": 1, "float32": 2}
"""By dtype; part of every hash, and increased when a configuration no longer gives the numbers of the last release."""


def resolve_configuration(configuration: Configuration) -> dict[str, dict[str, Any]]:
    """All settings that determine the results of a run, in canonical form.

    Equal values become one, a name with parameters a table with all of them, and the seeds 0 … N − 1 become N.
    """
    table = {section: asdict(getattr(configuration, section)) for section in SETTABLE}
    data, network, optimizer, run = (table[name] for name in ("data", "network", "optimizer", "run"))
    for key in ("name", "file", "offline"):
        if isinstance(data[key], Mapping) and len(data[key]) == 1:
            data[key] = data[key]["name"]
    network["layers"] = list(network["layers"])
    for dotted, kind in FORMULAS.items():
        section, _, key = dotted.partition(".")
        table[section][key] = _collapse_equal(_describe_formulas(kind, table[section][key]))
    network["dropout"] = _collapse_equal(network["dropout"])
    if optimizer["momentum"] is not None:
        optimizer["name"]["momentum"] = optimizer["momentum"]
    elif isinstance(optimizer["name"], dict):
        optimizer["momentum"] = optimizer["name"].get("momentum")
    if not isinstance(run["seeds"], int):
        count = len(run["seeds"])
        run["seeds"] = count if run["seeds"] == tuple(range(count)) else list(run["seeds"])
    return table


def own_formulas(configuration: Configuration) -> dict[tuple[str, str], Any]:
    found = {}
    for _, kind, value in formulas_of(configuration):
        if (formula := registry.custom_formula(kind, value)) is not None:
            found[kind, formula.name] = formula
    return found


def own_digests(formulas: Mapping[tuple[str, str], Any]) -> dict[str, str]:
    """The digests of custom formulas, keyed by text such as "activation mine".

    Default values of parameters are part of a digest, because a recipe need not name them.
    """
    return {
        " ".join(kind_and_name): formula_digest([registry.own_digest(formula), getattr(formula, "parameters", None)])
        for kind_and_name, formula in formulas.items()
    }


def _describe_formulas(kind: str, value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_describe_formulas(kind, one) for one in value)
    return None if value is None else registry.describe_formula(registry.find(kind, value))


def _collapse_equal(value: Any) -> Any:
    if not isinstance(value, tuple):
        return value
    return value[0] if value and all(item == value[0] for item in value) else list(value)


def configuration_hash(configuration: Configuration, formulas: Mapping[str, str] | None = None) -> str:
    """SHA-256 hash of the settings that determine results, equal on every machine.

    Texts (the study's, experiments, assumptions) and the grid do not count; nor does whether a default is written out,
    except for the options of a data set or file. A custom formula counts with what it computes in this version of
    Python, or with its digest in `formulas`.
    """
    own = own_formulas(configuration)
    digests = {name: (formulas or {}).get(name, digest) for name, digest in own_digests(own).items()}
    content = {
        "numerics": NUMERICS_VERSIONS[configuration.run.dtype],
        **resolve_configuration(configuration),
        **({"formulas": digests} if own else {}),
    }
    text = json.dumps(_canonical(content), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _canonical(value: Any) -> Any:
    """Copy a value so that equal numbers look alike."""
    if isinstance(value, dict):
        return {key: _canonical(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_canonical(one) for one in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return int(value) if isinstance(value, bool) else value
