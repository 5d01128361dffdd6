"""Claims of reports, each with the criterion that judges it.

What the report leaves open is tried both ways: each way is a reading, and the judge is called for each. The history of
the criterion's file says when it was changed.
"""

import importlib
import itertools
import runpy
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import TypeAdapter

from deltarule.errors import BadInput
from deltarule.recipes import Recipe
from deltarule.user_functions import call_user_function

if TYPE_CHECKING:
    from deltarule.studies.experiments import Experiments

Judge = Callable[..., "Evidence"]
"""Called with the study's `Experiments`, and with the settings of the claim and of one reading as keywords."""


RULES = {
    "one network": 0.05,
    "one mean of five": 0.05,
    "what happens": 0.9,
    "what is usual": 0.5,
    "comparison": 0.5,
    "means of five": 0.5,
    "images": 0.5,
    "arithmetic": 0.5,
    "figures": 0.5,
    "not testable": 0.5,
}
"""The rows of the rule in docs/studies/criteria.md, one of which each claim of a bundled study names, and the share of
seeds that each asks for."""
COMPATIBLE = ("one network", "one mean of five")
"""The rows of what a report saw once: ours can be compatible with it, and no more."""


@dataclass(frozen=True)
class Evidence:
    """What trainings show about one reading of a claim.

    runs      of how many seeds each boolean is: five where means of five are compared
    holds     booleans, one for each seed: whether it satisfies the criterion; or a dictionary of such arrays by the
              name of a condition, which must all hold; or a single boolean for a claim decided by arithmetic; or None
              if there is no criterion
    figures   by name the values that were measured, one for each seed, infinite or NaN for a run that did not finish;
              or, as [S, N], the score of each seed on each test row, whose median mean is shown
    remark    what else is to be said
    """

    holds: Any
    figures: Mapping[str, Any] = field(default_factory=dict)
    remark: str = ""
    runs: int = 1


@dataclass(frozen=True)
class Control:
    """A run that changes one thing, the supposed cause why a claim fails.

    cause      what is changed, in words
    settings   the keyword arguments of the judge that change it
    of         the reading that it is compared with, seed by seed; the first one if it is empty
    """

    cause: str
    settings: Mapping[str, Any]
    of: str = ""


@dataclass(eq=False)
class Claim:
    """A sentence of a report, with the criterion that judges it.

    says, report         the claim in our words, and the report's figure
    criterion, needed    the predicate in words, and the share of seeds that must satisfy it
    rule                 the row of `RULES` that says which share that is; "" for a share of one's own
    settings             keyword arguments of the judge
    readings             by name the arguments that each reading of the report adds
    controls             what we suppose makes the claim fail
    contradicts_itself   what else in the report contradicts the claim, if anything does
    changed              why the criterion was changed after there were results, if it was
    chose                how the names of readings begin that the claim's own figures have chosen: they prove little
    any_data             whether it can be judged on the rows that replace missing data
    """

    id: str
    says: str
    report: str
    criterion: str
    judge: Judge
    needed: float = 0.5
    rule: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    readings: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"": {}})
    controls: Sequence[Control] = ()
    contradicts_itself: str = ""
    changed: str = ""
    chose: str = ""
    any_data: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.needed <= 1:
            raise BadInput(f"the claim '{self.id}' needs {self.needed} of the seeds; give a share above 0, up to 1")

    def evidence(self, experiments: "Experiments", reading: str = "", control: Control | None = None) -> Evidence:
        """Call the judge with the settings of a reading, changed by those of a control.

        Raises `BadInput` if the judge raises, or returns no `Evidence` of the seeds.
        """
        settings = {**self.settings, **self.readings[reading], **(control.settings if control else {})}
        evidence = call_user_function(self.judge, (experiments,), settings, f"the claim '{self.id}'")
        _check_evidence(evidence, self.id, experiments.seeds)
        return evidence


def claim(id: str, **described: Any) -> Callable[[Judge], Claim]:
    """Decorate a function from `Experiments` to `Evidence` to make it a `Claim`.

    >>> @claim("encoder-0", says="eight objects", report="8", criterion="there are 8 rows")
    ... def encoder_0(experiments):
    ...     return Evidence([True])
    >>> encoder_0.id
    'encoder-0'
    """
    return lambda judge: Claim(id, judge=judge, **described)


STUDIES = ("boundary-linear", "boundary-xor", "encoder", "encoder-relu", "mnist", "cifar")
"""The bundled studies that repeat a report, which `reproduce` reproduces."""


def claims_of_study(recipe: Recipe) -> tuple[Claim, ...]:
    """The claims of a bundled study: the tables of its claims.toml.

    A claim's judge is the function that it names in the study's module of judges, or that of its id. Readings and
    controls may be the names of tables that several claims share. Readings may be a list of such names and of tables:
    each combination of their rows is a reading.
    """
    file = recipe.folder / "claims.toml"
    if recipe.folder.parent != Path(__file__).parent or not file.is_file():
        return ()
    module = recipe.folder.name if not recipe.name.startswith("boundary") else "boundary"
    judges = importlib.import_module(f"deltarule.studies.judges.{module}")
    tables = tomllib.loads(file.read_text(encoding="utf-8"))
    shared = tables.pop("shared", {})
    claims = []
    for id, table in tables.items():
        judge = getattr(judges, table.pop("judge", id.replace("-", "_")))
        parts: dict[str, Any] = {"id": id, "judge": judge, "needed": RULES[table["rule"]]}
        if "readings" in table:
            parts["readings"] = _combined(table.pop("readings"), shared)
        controls = table.pop("controls", [])
        parts["controls"] = [shared[one] if isinstance(one, str) else one for one in controls]
        claims.append(TypeAdapter(Claim).validate_python({**table, **parts}))
    return tuple(claims)


def _combined(readings: Any, shared: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The readings of a claim: every combination of the rows of its tables."""
    listed = readings if isinstance(readings, list) else [readings]
    tables = [shared[table] if isinstance(table, str) else table for table in listed]
    combined = {}
    for rows in itertools.product(*(table.items() for table in tables)):
        name = ", ".join(name for name, _ in rows if name)
        combined[name] = {key: value for _, settings in rows for key, value in settings.items()}
    return combined


def claims_of_file(path: str | Path) -> tuple[Claim, ...]:
    """Run a user's Python file, and return the claims that it defines."""
    if not Path(path).is_file():
        raise BadInput(f"there is no file of claims '{path}'; name a Python file that defines some with @claim")
    namespace = call_user_function(runpy.run_path, (str(path),), {}, f"reading the claims in '{path}'")
    claims = tuple(value for value in namespace.values() if isinstance(value, Claim))
    if not claims:
        raise BadInput(f"'{path}' defines no claims; decorate a function with @claim")
    return claims


def is_about(values: Any, figure: float) -> Any:
    """Whether values are "about" a figure: within a factor √2."""
    with np.errstate(divide="ignore"):
        return np.abs(np.log(np.asarray(values) / figure)) <= np.log(2) / 2


def is_as_far_out(values: Any, low: float, high: float | None = None) -> Any:
    """Whether values are at least as far out as a figure, on its rarer side.

    A figure that a report read from one run lies in the central 90 % of ours if at least 5 % of them are so. `low` and
    `high` are what it may be, as it is rounded.
    """
    values = np.asarray(values)
    high = low if high is None else high
    return min(values <= high, values >= low, key=np.count_nonzero)


def all_conditions(evidence: Evidence) -> Any:
    return np.all([np.asarray(values, bool) for values in _conditions(evidence)], axis=0)


def until_refuted(stages: Iterable[Any], judge: Callable[[Any], Evidence]) -> Evidence:
    """The evidence of the first stage after which the claim can hold for no seed, or of the last one.

    stages : what is trained, ever more of it, in the order in which it refutes most for its price.
    judge : gives the evidence of a stage; a criterion that needs what is not trained yet counts as met.
    """
    evidence = Evidence(None)
    for stage in stages:
        evidence = judge(stage)
        if not all_conditions(evidence).any():
            break
    return evidence


def _conditions(evidence: Evidence) -> list[Any]:
    return list(evidence.holds.values()) if isinstance(evidence.holds, Mapping) else [evidence.holds]


def _check_evidence(evidence: Any, id: str, seeds: int) -> None:
    """Check that a judge has returned evidence with a boolean for each seed."""
    if not isinstance(evidence, Evidence):
        raise BadInput(f"the claim '{id}' returns {type(evidence).__name__}; return Evidence(booleans of the seeds)")
    if evidence.holds is None or isinstance(evidence.holds, bool):
        return
    for answers in map(np.asarray, _conditions(evidence)):
        # One for each seed: a single one would be a summary of several seeds.
        if answers.ndim != 1 or answers.dtype != bool or (len(answers) < 2 <= seeds // evidence.runs):
            raise BadInput(
                f"the claim '{id}' gives {answers.dtype} of shape {answers.shape} for {seeds} seeds; "
                "give a boolean for each seed"
            )
