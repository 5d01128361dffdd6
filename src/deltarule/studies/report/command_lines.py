"""Arguments of the commands that repeat what a record describes."""

from collections.abc import Mapping
from typing import Any

from deltarule.problem.error_messages import as_toml
from deltarule.studies.recipes import bundled_studies


def study_arguments(record: Mapping[str, Any]) -> list[str]:
    """The command-line arguments that name a record's study and experiment.

    >>> study_arguments({"study": "encoder", "experiment": "rate-1"})
    ['encoder', '--experiment', 'rate-1']
    >>> study_arguments({"study": "mine", "experiment": None})
    ['mine.toml']
    """
    is_bundled = record["study"] in {name for name, _, _ in bundled_studies()}
    name = record["study"] if is_bundled else f"{record['study']}.toml"
    return [name, "--experiment", record["experiment"]] if record["experiment"] else [name]


def set_arguments(settings: Mapping[str, Any]) -> list[str]:
    """The command-line arguments `--set key=value` for settings by dotted key.

    >>> set_arguments({"run.seeds": 2})
    ['--set', 'run.seeds=2']
    """
    return [argument for key, value in settings.items() for argument in ("--set", f"{key}={as_toml(value)}")]
