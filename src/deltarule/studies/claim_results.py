"""Judge all claims of a study into its results, resume an interrupted judging, and find the claims of a study."""

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
from deltarule.files import remove
from deltarule.json_files import read_json, write_json
from deltarule.problem.configuration import with_changes
from deltarule.problem.resolved_configuration import configuration_hash
from deltarule.studies.experiments import Experiments
from deltarule.studies.recipes import Recipe
from deltarule.studies.variants import FILE as VARIANTS
from deltarule.studies.verdicts import Claim, Verdict, claims_of, judge_claim, min_seeds, verdict_of
from deltarule.sweeps.store_connection import FILE as STORE
from deltarule.user_functions import call_user_function

FILE = "claims.json"


@dataclass(frozen=True)
class StudyResults:
    """The verdicts on a study's claims over a number of seeds: what `deltarule claims` shows and writes.

    engine      names of the engines that trained
    seconds     of all trainings
    versions    of deltarule, Python and NumPy
    notes       remarks, such as that other rows replace the study's data, that claims were left out, or that there are
                too few seeds
    missing     the ids of the claims that are not judged yet
    basis       SHA-256 of what decides the verdicts beside the criteria: data, recipe, seeds, requested engine
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
    before_claim: Callable[[str], None] | None = None,
) -> StudyResults:
    """Judge every claim of a study over the seeds of its experiments, and write `claims.json` into their folder if any.

    resume : keep the verdicts in the folder on claims whose files have not changed since.
    notes : sentences for the results.
    before_claim : called with each claim's id before it is judged.

    Raises `BadInput` for a folder with claims of other data, settings, seeds or engine; and, without `resume`, for one
    with sweeps: they would be mixed with those of these claims.
    """
    fingerprints = {claim.id: (claim.digest, claim.source) for claim in claims}  # of their text before any training
    folder, results = experiments.folder, _new_results(experiments, claims, notes)
    notes = results.notes
    if folder is not None:
        results = _start_folder(results, fingerprints, folder, resume)
        if not resume:
            remove(folder / VARIANTS)
    before, started = results, time.perf_counter()
    verdicts = {claim.id: claim for claim in before.claims}
    for claim in claims:
        if claim.id in verdicts:
            continue
        if before_claim is not None:
            before_claim(claim.id)
        verdicts[claim.id] = judge_claim(claim, experiments)
        ordered = tuple(verdicts[id] for id in fingerprints if id in verdicts)
        results = replace(
            before,
            engine=", ".join(sorted({*filter(None, before.engine.split(", ")), *experiments.engines})),
            seconds=before.seconds + time.perf_counter() - started,
            claims=ordered,
            notes=(*notes, *too_few_seeds(ordered)),
            missing=tuple(id for id in fingerprints if id not in verdicts),
        )
        if folder is not None:
            experiments.write_variants()
            write_json(folder / FILE, results)
    return results


def _new_results(experiments: Experiments, claims: tuple[Claim, ...], notes: tuple[str, ...]) -> StudyResults:
    """The results of a study before any of its claims is judged."""
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
    """Sentences, one for each needed share that undecided claims cannot reach over so few seeds or folds.

    >>> from deltarule.studies.verdicts import share
    >>> table = {"id": "", "claim": "", "report": "", "ours": "", "share": 1, "interval": None, "verdict": "undecided"}
    >>> table |= {"contradicts_itself": "", "cause": "", "criterion": "", "needed": 0.9}
    >>> too_few_seeds([Verdict(**table, conventions={"": share([True] * 20, 0.9)})])
    ('a claim that needs 90 % of the seeds cannot be supported over 20, even if it holds for all; give 27 or more',)
    """
    undecided = [verdict for verdict in verdicts if verdict.verdict == "undecided"]
    texts = []
    for needed, of in sorted({(one.needed, share.of) for one in undecided for share in one.conventions.values()}):
        required = min_seeds(needed)
        if required is None or of < required:
            problem = f"a claim that needs {100 * needed:g} % of the seeds cannot be supported over"
            advice = "no number is enough, let it need less" if required is None else f"give {required:,} or more"
            texts.append(f"{problem} {of:,}, even if it holds for all; {advice}")
    return tuple(texts)


def _basis(experiments: Experiments) -> str:
    """SHA-256 of what decides the verdicts beside the criteria: recipe, data, seeds and requested engine."""
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


def _start_folder(
    new: StudyResults, fingerprints: Mapping[str, tuple[str, str]], folder: Path, resume: bool
) -> StudyResults:
    """Write new results into the folder and return them; with its stored verdicts that are still valid if `resume`.

    fingerprints   the criterion's digest and the source's of each claim, by its id
    """
    file = folder / FILE
    if resume and file.exists():
        new = _with_stored_verdicts(new, read_json(file), fingerprints, folder)
    elif not resume and any(folder.glob(f"*/{STORE}")):
        raise BadInput(f"{folder} holds sweeps already; go on with its claims by --resume, or name another folder")
    write_json(file, new)
    return new


def _with_stored_verdicts(
    new: StudyResults, stored: Any, fingerprints: Mapping[str, tuple[str, str]], folder: Path
) -> StudyResults:
    """Add to new results the verdicts on unchanged claims in `stored` JSON; raise `BadInput` for another basis."""
    if not isinstance(stored, dict) or stored.get("basis") != new.basis:
        raise BadInput(f"{folder} holds claims of other data, settings, seeds or engine; name another folder")
    try:
        read = [verdict_of(claim) for claim in stored["claims"]]
        valid = {one.id: one for one in read if fingerprints.get(one.id) == (one.digest, one.source)}
        verdicts = tuple(valid[id] for id in fingerprints if id in valid)
        return replace(
            new,
            date=new.date if set(fingerprints) - set(valid) else str(stored["date"]),
            engine=str(stored["engine"]),
            seconds=float(stored["seconds"]),
            claims=verdicts,
            notes=(*new.notes, *too_few_seeds(verdicts)),
            missing=tuple(id for id in fingerprints if id not in valid),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(f"{folder / FILE} is not as deltarule writes it; remove it to start again") from error


def claims_of_study(recipe: Recipe) -> tuple[Claim, ...]:
    """The claims of a bundled study; a user's study has none (`claims_of_file` reads them from a file).

    >>> from deltarule.studies.recipes import load_recipe
    >>> claims_of_study(load_recipe("digits"))
    ()
    """
    package = f"deltarule.studies.{recipe.folder.name}"
    if recipe.folder.parent != Path(__file__).parent or importlib.util.find_spec(f"{package}.claims") is None:
        return ()
    return claims_of(importlib.import_module(f"{package}.claims"))


def claims_of_file(path: str | Path) -> tuple[Claim, ...]:
    """Run a user's Python file, and return the claims that it defines; raise `BadInput` for none.

    Raises `BadInput` for a file that is missing, raises an exception, or defines no claims.
    """
    path = Path(path)
    if not path.is_file():
        raise BadInput(f"there is no file of claims '{path}'; name a Python file that defines some with @claim")
    spec = importlib.util.spec_from_file_location("deltarule_own_claims", path)
    if spec is None or not isinstance(spec.loader, SourceFileLoader):
        raise BadInput(f"'{path}' is no Python file; name one that ends in .py")
    module: ModuleType = importlib.util.module_from_spec(spec)

    def read_claims(loader: SourceFileLoader) -> None:
        # Without Python's cached bytecode: it does not distinguish two texts of one second and one length.
        exec(loader.source_to_code(path.read_bytes(), path), vars(module))

    call_user_function(read_claims, (spec.loader,), {}, f"reading the claims in '{path}'")
    claims = claims_of(module)
    if not claims:
        raise BadInput(f"'{path}' defines no claims; decorate a function with @claim")
    return claims


def criteria_of(recipe: Recipe) -> dict[str, Any]:
    """The digests of a study's criteria by claim's id, as `criteria.json` fixes them; a list for a changed criterion.

    >>> from deltarule.studies.recipes import load_recipe
    >>> criteria_of(load_recipe("digits"))
    {}
    """
    path = recipe.folder / "criteria.json"
    return dict(read_json(path)) if path.exists() else {}
