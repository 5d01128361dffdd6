"""The tables of a recipe: those of a training are the sections of `settings`, the others stand here."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import BadInput
from deltarule.problem.error_messages import shorten_toml, unknown_key
from deltarule.problem.ranges import COUNT, FINITE, WHOLE
from deltarule.problem.settings import (
    DataSection,
    Form,
    LossSection,
    NetworkSection,
    OptimizerSection,
    RunSection,
    Section,
    Setting,
    StoppingSection,
    choice,
    needed,
    number,
    read_plain,
    setting,
    settings_of,
    text,
)

Part = Literal["train", "validation", "test"]
Read = TypeVar("Read", bound=Section)


def table(section: type[Section], allowed: str = "a table of keys") -> Form:
    return Form("other", allowed, section=section)


def tables(section: type[Section], heading: str) -> Form:
    return Form("tables", f"tables under [[{heading}]]", section=section)


@dataclass(frozen=True)
class Criterion(Section):
    """The score at which a member counts as solved: `at_least` 1 if no bound is given."""

    name: str = needed(
        text("the name of a metric"),
        'The score, such as `"thresholded"`: the share of rows with every output on the same side of 0.5 as its '
        "target.",
    )
    at_least: float | None = setting(number(FINITE), None, "The least score; 1 if neither bound is given.")
    at_most: float | None = setting(number(FINITE), None, "The largest score, for an error.")
    part: Part = setting(choice(get_args(Part)), "train", "The rows on which the score is computed.")

    @property
    def bounds(self) -> tuple[float, float]:
        is_free = self.at_least is None and self.at_most is None
        least = 1.0 if is_free else self.at_least
        return -math.inf if least is None else least, math.inf if self.at_most is None else self.at_most

    def is_met(self, scores: NDArray[Any]) -> NDArray[np.bool_]:
        least, most = self.bounds
        return np.asarray((scores >= least) & (scores <= most))


_CRITERION = Form(
    "other",
    "the name of a metric, or a table with its name, at_least, at_most and part",
    convert=lambda value: {"name": value} if isinstance(value, str) else value,
    section=Criterion,
)
_RECORD = Form(
    "other",
    "a list of names of metrics",
    lambda value: isinstance(value, list | tuple) and all(isinstance(name, str) for name in value),
    tuple,
)


@dataclass(frozen=True)
class StudySection(Section):
    """`[study]`: title, report, criterion and seeds of a study."""

    title: str = setting(text(), "", "What `deltarule list` shows.")
    report: str = setting(text(), "", "The published report that the study re-tests.")
    summary: str = setting(text(), "", "One sentence.")
    criterion: Criterion | None = setting(_CRITERION, None, "When a member counts as solved.")
    record: tuple[str, ...] = setting(_RECORD, (), "Other metrics to record, such as the report's own cost.")
    seeds: int = setting(number(COUNT), 100, "Seeds over which `deltarule claims` judges the study.")
    first_seed: int = setting(number(WHOLE), 0, "The first of these seeds.")
    compare: str = setting(text(), "", "What `deltarule run` says at the end: the report's figure, and its claim.")


def _to_dotted(table: Any, prefix: str = "") -> Any:
    """Flatten nested tables to dotted keys below `prefix`."""
    if not isinstance(table, Mapping):
        raise ValueError
    flat: dict[str, Any] = {}
    for key, value in table.items():
        # A table with a name is a value: {name = "step", every = 10}. A section has no name of its own.
        is_section = not prefix and "." not in key
        if isinstance(value, Mapping) and (is_section or "name" not in value):
            flat |= _to_dotted(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def _parse_grid(table: Any) -> Any:
    flat = _to_dotted(table)
    for key, values in flat.items():
        if not isinstance(values, list | tuple) or not values:
            raise BadInput(f"{key} is {shorten_toml(values)}; give a list with at least one value")
    return {key: tuple(values) for key, values in flat.items()}


@dataclass(frozen=True)
class Experiment(Section):
    """A variant of the study: keys with other values."""

    name: str = needed(text("a text that no other experiment has", 1), "The name for `--experiment`.")
    set: Mapping[str, Any] = needed(
        Form("other", 'a table such as {"optimizer.learning_rate" = 100}', convert=_to_dotted),
        'Other values for keys of `[data]` to `[run]`, such as `{"optimizer.learning_rate" = 100}`.',
    )
    about: str = setting(text(), "", "One sentence.")


@dataclass(frozen=True)
class Assumption(Section):
    """Something that the report does not say, the assumed value, and the reason."""

    what: str = needed(text(), "The open question.")
    value: Any = needed(
        Form("other", "a text, a finite number, true or false, or a list or table of such", convert=read_plain),
        "The assumed value.",
    )
    why: str = needed(text(), "The reason.")


@dataclass(frozen=True, kw_only=True)
class Configuration(Section):
    """A complete and checked recipe."""

    study: StudySection = setting(table(StudySection), StudySection())
    data: DataSection = setting(table(DataSection), DataSection())
    network: NetworkSection = needed(table(NetworkSection, "a table of keys, layers among them"))
    loss: LossSection = setting(table(LossSection), LossSection())
    optimizer: OptimizerSection = setting(table(OptimizerSection), OptimizerSection())
    stopping: StoppingSection = setting(
        table(StoppingSection, "a table of keys, max_steps or max_epochs among them"), StoppingSection()
    )
    run: RunSection = setting(table(RunSection), RunSection())
    grid: Mapping[str, tuple[Any, ...]] = setting(Form("other", "a table of keys with lists", convert=_parse_grid), {})
    experiment: tuple[Experiment, ...] = setting(tables(Experiment, "experiment"), ())
    assumption: tuple[Assumption, ...] = setting(tables(Assumption, "assumption"), ())


# --- reading and writing ----------------------------------------------------------------------------------------------


def read_section(section: type[Read], values: Any, where: str = "") -> Read:
    """Read a table as a section; `BadInput` for the first of its errors, which says how many more there are."""
    errors: list[str] = []
    read = _read_section(section, values, where, errors)
    if errors:
        raise BadInput(errors[0] + (f" (and {len(errors) - 1} more)" if errors[1:] else ""))
    return read


def _read_section(section: type[Read], values: Mapping[str, Any], where: str, errors: list[str]) -> Any:
    known = settings_of(section)
    read = {}
    count = len(errors)
    for name, each in known.items():
        if name in values:
            read[name] = _read_value(each, values[name], where + name, errors)
        elif each.is_needed:
            errors.append(f"{where}{name} is missing; give {each.form.allowed}")
    errors += [unknown_key(f"{where}{name}", name, known) for name in values if name not in known]
    return None if errors[count:] else section(**read)


def _read_value(setting: Setting, value: Any, where: str, errors: list[str]) -> Any:
    form = setting.form
    try:
        read = setting.read(value)
        if form.section is None or read is None:
            return read
        if form.name == "tables" and isinstance(read, list | tuple):
            return tuple(
                _read_table(form, each, f"{where} {index}", ": ", errors) for index, each in enumerate(read, start=1)
            )
        return _read_table(form, read, where, ".", errors)
    except BadInput as error:
        errors.append(f"{where}: {error}")
    except ValueError:
        errors.append(f"{where} is {shorten_toml(value)}; give {form.allowed}")
    return None


def _read_table(form: Form, value: Any, where: str, separator: str, errors: list[str]) -> Any:
    if isinstance(value, Mapping) and form.section is not None:
        return _read_section(form.section, value, where + separator, errors)
    errors.append(f"{where} is {shorten_toml(value)}; give {form.allowed}")
    return None


def changed_values(section: Section) -> dict[str, Any]:
    """The values of a section that are not the defaults, with tables as dictionaries."""
    changed: dict[str, Any] = {}
    for name, each in settings_of(type(section)).items():
        value = getattr(section, name)
        if value != each.default:
            changed[name] = changed_values(value) if isinstance(value, Section) else value
    return changed
