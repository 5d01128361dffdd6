"""The results of a study: all its claims judged, and the digests that show by which criteria."""

import hashlib
import importlib
import importlib.util
import json
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from importlib.machinery import SourceFileLoader
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from deltarule.errors import BadInput
from deltarule.files import kind_of, remove
from deltarule.json_files import read_json, write_json
from deltarule.problem.configuration import with_changes
from deltarule.problem.resolved_configuration import configuration_hash
from deltarule.studies.experiments import Experiments
from deltarule.studies.recipes import Recipe
from deltarule.studies.variants import FILE as VARIANTS
from deltarule.studies.verdicts import Claim, Verdict, claims_of, judge_claim, least_seeds, verdict_of
from deltarule.sweeps.store_connection import FILE as STORE
from deltarule.user_functions import call_user_function

FILE = "claims.json"


@dataclass(frozen=True)
class StudyResults:
    """A study's claims, judged over so many seeds: what `deltarule claims` shows and writes.

    engine      names of the engines that trained
    seconds     of all trainings
    versions    of deltarule, Python and NumPy
    notes       sentences worth knowing: that other rows stand in for the study's data, what was left out, too few
                seeds
    missing     the claims that are not judged yet, by their ids
    basis       SHA-256 of what decides the verdicts beside the criteria: data, recipe, seeds, engine asked for
    """

    study: str
    data: str
    date: str
    seeds: int
    engine: str
    seconds: float
    versions: dict[str, str]
    claims: tuple[Verdict, ...]
    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    basis: str = ""


def judge_study(
    experiments: Experiments,
    claims: tuple[Claim, ...],
    *,
    resume: bool = False,
    notes: tuple[str, ...] = (),
    tell: Callable[[str], None] | None = None,
) -> StudyResults:
    """Judge every claim of a study over the seeds of its experiments; where these have a folder, into `claims.json`.

    resume : go on with what is there: claims whose files say what they said then are not judged again.
    notes : sentences that stand in the results.
    tell : called with each claim's id as its turn comes.

    Raises `BadInput` for a folder with claims of other data, settings, seeds or engine; and for one with sweeps without
    `resume`: they would be mixed with those of these claims.
    """
    wanted = {claim.id: (claim.digest, claim.source) for claim in claims}  # as they are written before any training
    folder, results = experiments.folder, _new_results(experiments, claims, notes)
    notes = results.notes
    if folder is not None:
        results = _gone_on(results, wanted, folder, resume)
        if not resume:
            remove(folder / VARIANTS)
    before, started = results, time.perf_counter()
    verdicts = {claim.id: claim for claim in before.claims}
    for claim in claims:
        if claim.id in verdicts:
            continue
        if tell is not None:
            tell(claim.id)
        verdicts[claim.id] = judge_claim(claim, experiments)
        ordered = tuple(verdicts[id] for id in wanted if id in verdicts)
        results = replace(
            before,
            engine=", ".join(sorted({*filter(None, before.engine.split(", ")), *experiments.engines})),
            seconds=before.seconds + time.perf_counter() - started,
            claims=ordered,
            notes=(*notes, *too_few_seeds(ordered)),
            missing=tuple(id for id in wanted if id not in verdicts),
        )
        if folder is not None:
            experiments.write_variants()
            write_json(folder / FILE, results)
    return results


def _new_results(experiments: Experiments, claims: tuple[Claim, ...], notes: tuple[str, ...]) -> StudyResults:
    remark = experiments.dataset.remark
    return StudyResults(
        study=experiments.recipe.name,
        data=experiments.dataset.name,
        date=date.today().isoformat(),
        seeds=experiments.seeds,
        engine="",
        seconds=0.0,
        versions={"deltarule": version("deltarule"), "python": platform.python_version(), "numpy": np.__version__},
        claims=(),
        notes=(*filter(None, [remark]), *notes),
        missing=tuple(claim.id for claim in claims),
        basis=_basis(experiments),
    )


def too_few_seeds(verdicts: Sequence[Verdict]) -> tuple[str, ...]:
    """A sentence for each share of what undecided claims are judged over, seeds as a rule, that it is too little for.

    >>> from deltarule.studies.verdicts import share
    >>> table = {"id": "", "claim": "", "report": "", "ours": "", "share": 1, "interval": None, "verdict": "undecided"}
    >>> table |= {"contradicts_itself": "", "cause": "", "criterion": "", "needed": 0.9}
    >>> too_few_seeds([Verdict(**table, conventions={"": share([True] * 20, 0.9)})])
    ('a claim that needs 90 % of the seeds cannot be supported over 20, even if it holds for all; give 27 or more',)
    """
    undecided = [verdict for verdict in verdicts if verdict.verdict == "undecided"]
    texts = []
    for needed, of in sorted({(one.needed, by.of) for one in undecided for by in one.conventions.values()}):
        least = least_seeds(needed)
        if least is None or of < least:
            share = f"a claim that needs {100 * needed:g} % of the seeds cannot be supported over"
            advice = "no number is enough, let it need less" if least is None else f"give {least:,} or more"
            texts.append(f"{share} {of:,}, even if it holds for all; {advice}")
    return tuple(texts)


def _basis(experiments: Experiments) -> str:
    configuration, engine = experiments.recipe.configuration, experiments.engine
    variants = [configuration, *(with_changes(configuration, one.set) for one in configuration.experiment)]
    content = {
        "recipe": [configuration_hash(variant) for variant in variants],
        "grid": configuration.grid,
        "data": experiments.dataset.digest,
        "seeds": experiments.seeds,
        "engine": engine if isinstance(engine, str) else engine.name,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=list).encode()).hexdigest()


def _gone_on(begun: StudyResults, wanted: Mapping[str, tuple[str, str]], folder: Path, resume: bool) -> StudyResults:
    """The results with those verdicts of the folder that still hold; from here on the folder holds them."""
    file = folder / FILE
    if resume and kind_of(file):
        begun = _with_verdicts(begun, read_json(file), wanted, folder)
    elif not resume and any(folder.glob(f"*/{STORE}")):
        raise BadInput(f"{folder} holds sweeps already; go on with its claims by --resume, or name another folder")
    write_json(file, begun)
    return begun


def _with_verdicts(
    begun: StudyResults, found: Any, wanted: Mapping[str, tuple[str, str]], folder: Path
) -> StudyResults:
    if not isinstance(found, dict) or found.get("basis") != begun.basis:
        raise BadInput(f"{folder} holds claims of other data, settings, seeds or engine; name another folder")
    try:
        read = [verdict_of(claim) for claim in found["claims"]]
        verdicts = {one.id: one for one in read if wanted.get(one.id) == (one.digest, one.source)}
        there = tuple(verdicts[id] for id in wanted if id in verdicts)
        return replace(
            begun,
            date=begun.date if set(wanted) - set(verdicts) else str(found["date"]),
            engine=str(found["engine"]),
            seconds=float(found["seconds"]),
            claims=there,
            notes=(*begun.notes, *too_few_seeds(there)),
            missing=tuple(id for id in wanted if id not in verdicts),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(f"{folder / FILE} is not as deltarule writes it; remove it to start again") from error


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

    Raises `BadInput` for a file that is missing, raises as it runs, or defines no claims.
    """
    path = Path(path)
    if kind_of(path) != "file":
        raise BadInput(f"there is no file of claims '{path}'; name a Python file that defines some with @claim")
    spec = importlib.util.spec_from_file_location("deltarule_own_claims", path)
    if spec is None or not isinstance(spec.loader, SourceFileLoader):
        raise BadInput(f"'{path}' is no Python file; name one that ends in .py")
    module: ModuleType = importlib.util.module_from_spec(spec)

    def read_claims(loader: SourceFileLoader) -> None:
        # Without the bytecode that Python keeps: it does not tell two texts of one second and one length apart.
        exec(loader.source_to_code(path.read_bytes(), path), vars(module))

    call_user_function(read_claims, (spec.loader,), {}, f"reading the claims in '{path}'")
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
    return dict(read_json(path)) if kind_of(path) else {}
