"""The results of a study: all its claims judged, and the digests that show by which criteria."""

import importlib
import importlib.util
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from deltarule.engines.base import Engine
from deltarule.errors import BadInput, RunFailed
from deltarule.files import read_json
from deltarule.studies.experiments import Experiments, Told
from deltarule.studies.recipes import Recipe
from deltarule.studies.verdicts import Claim, Verdict, claims_of, judged


@dataclass(frozen=True)
class StudyResults:
    """A study's claims, judged over so many seeds: what `deltarule claims` shows and writes.

    `engine` names the engines that trained; `seconds` are those of all trainings; `versions` those of deltarule,
    Python and NumPy.
    """

    study: str
    data: str
    date: str
    seeds: int
    engine: str
    seconds: float
    versions: dict[str, str]
    claims: tuple[Verdict, ...]


def judge_study(
    recipe: Recipe,
    claims: tuple[Claim, ...],
    *,
    seeds: int,
    engine: Engine | str = "auto",
    data_dir: str | Path | None = None,
    tell: Callable[[str], None] | None = None,
    progress: Told | None = None,
) -> StudyResults:
    """Judge every claim of a study over so many seeds; `tell` is called with each claim's id as its turn comes."""
    started = time.perf_counter()
    experiments = Experiments(recipe, seeds=seeds, engine=engine, data_dir=data_dir, progress=progress)
    verdicts = []
    for claim in claims:
        if tell is not None:
            tell(claim.id)
        verdicts.append(judged(claim, experiments))
    return StudyResults(
        study=recipe.name,
        data=experiments.dataset.name,
        date=date.today().isoformat(),
        seeds=seeds,
        engine=", ".join(sorted(experiments.engines)),
        seconds=time.perf_counter() - started,
        versions={"deltarule": version("deltarule"), "python": platform.python_version(), "numpy": np.__version__},
        claims=tuple(verdicts),
    )


def claims_of_study(recipe: Recipe) -> tuple[Claim, ...]:
    """The claims of a bundled study; a study of the user's own has none unless a file of claims is named.

    >>> from deltarule.studies.recipes import load_recipe
    >>> claims_of_study(load_recipe("digits"))
    ()
    """
    package = f"deltarule.studies.{recipe.folder.name}"
    if recipe.folder.parent != Path(__file__).parent or importlib.util.find_spec(f"{package}.claims") is None:
        return ()
    return claims_of(importlib.import_module(f"{package}.claims"))


def claims_of_file(path: str | Path) -> tuple[Claim, ...]:
    """The claims of a file of the user's own: this runs the code in it.

    Raises `BadInput` for a file that is missing or defines no claims, `RunFailed` for one that fails as it runs.
    """
    path = Path(path)
    if not path.is_file():
        raise BadInput(f"there is no file of claims '{path}'; name a Python file that defines some with @claim")
    spec = importlib.util.spec_from_file_location("deltarule_own_claims", path)
    if spec is None or spec.loader is None:
        raise BadInput(f"'{path}' is no Python file; name one that ends in .py")
    module: ModuleType = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever the user's code raises is told in one sentence
        raise RunFailed(f"the claims in '{path}' cannot be read: {type(error).__name__}: {error}") from error
    found = claims_of(module)
    if not found:
        raise BadInput(f"'{path}' defines no claims; decorate a function with @claim")
    return found


def criteria_of(recipe: Recipe) -> dict[str, Any]:
    """The digests that were fixed before there were results: by claim one digest, or [old, new …] with reasons.

    >>> from deltarule.studies.recipes import load_recipe
    >>> criteria_of(load_recipe("digits"))
    {}
    """
    path = recipe.folder / "criteria.json"
    return dict(read_json(path)) if path.exists() else {}
