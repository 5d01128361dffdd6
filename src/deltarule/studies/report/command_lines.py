"""The words of the commands that repeat what a record tells of."""

from collections.abc import Mapping
from typing import Any

from deltarule.problem.error_messages import as_toml
from deltarule.studies.recipes import bundled_studies


def study_words(record: Mapping[str, Any]) -> list[str]:
    """A study, and which of its experiments, as commands take them.

    >>> study_words({"study": "encoder", "experiment": "rate-1"}), study_words({"study": "mine", "experiment": None})
    (['encoder', '--experiment', 'rate-1'], ['mine.toml'])
    """
    is_bundled = record["study"] in {name for name, _, _ in bundled_studies()}
    name = record["study"] if is_bundled else f"{record['study']}.toml"
    return [name, "--experiment", record["experiment"]] if record["experiment"] else [name]


def set_words(settings: Mapping[str, Any]) -> list[str]:
    """What is set, by dotted key, as commands take it.

    >>> set_words({"run.seeds": 2})
    ['--set', 'run.seeds=2']
    """
    return [word for key, value in settings.items() for word in ("--set", f"{key}={as_toml(value)}")]
