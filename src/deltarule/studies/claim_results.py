"""Judge all claims of a study into its results."""

import hashlib
import json
import os
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from deltarule.doctor import processor_name
from deltarule.errors import BadInput
from deltarule.json_files import read_json, write_json
from deltarule.platforms import processor_count
from deltarule.recipes import Recipe
from deltarule.studies.claims import Claim, claims_of_study
from deltarule.studies.experiments import TRAININGS, Experiments
from deltarule.studies.verdicts import Verdict, combine_verdicts, judge_claim, looks_up_to, min_seeds
from deltarule.sweeps.store_connection import FILE as STORE

FILE = "claims.json"
PUBLISHED = "published.jsonl"
"""The record beside a bundled study's recipe, from which its page is made: the results, then a line for each claim."""
DESCRIBED = {"id": "id", "claim": "says", "report": "report", "criterion": "criterion", "needed": "needed"} | {
    name: name for name in ("rule", "contradicts_itself", "changed")
}
"""The fields of a verdict that the claim has under these names: the record leaves them to claims.toml."""
RECORD_SECONDS = 60
"""Claims whose trainings take longer are shown from the record, and not judged anew."""


@dataclass(frozen=True)
class Provenance:
    """Where results were made."""

    processor: str
    threads: int
    dtype: str
    versions: Mapping[str, str]


@dataclass(frozen=True)
class StudyResults:
    """The verdicts on a study's claims, as `deltarule claims` shows them.

    seeds       how many at most, from first_seed on
    sequential  whether each reading was judged at the first look that decided it
    engine      names of the engines that trained
    seconds     of all trainings
    notes       remarks, such as that other rows replace the study's data, or that there are too few seeds
    """

    study: str
    data: str
    date: str
    seeds: int
    first_seed: int
    engine: str
    seconds: float
    made: Provenance
    claims: tuple[Verdict, ...]
    notes: tuple[str, ...] = ()
    sequential: bool = False


def judge_study(
    experiments: Experiments,
    claims: tuple[Claim, ...],
    *,
    sequential: bool = False,
    resume: bool = False,
    notes: tuple[str, ...] = (),
) -> StudyResults:
    """Judge claims of a study over all seeds, or over as many as decide them.

    `resume` goes on with the trainings in the folder, and keeps its verdicts on other claims over the same seeds.
    Without it a folder that has trainings raises `BadInput`: they would be mixed with those of these claims.
    """
    folder = experiments.folder
    if folder is not None and not resume:
        if any(folder.glob(f"*/{STORE}")) or (folder / TRAININGS).exists():
            raise BadInput(f"{folder} holds trainings already; continue with --resume, or name another folder")
    started = time.perf_counter()
    remark = experiments.dataset.remark
    looks = looks_up_to(experiments.seeds) if sequential else ()
    verdicts = tuple(judge_claim(claim, experiments, looks) for claim in claims)
    results = StudyResults(
        study=experiments.recipe.name,
        data=experiments.dataset.name,
        date=date.today().isoformat(),
        seeds=experiments.seeds,
        first_seed=experiments.seed_numbers.start,
        engine=", ".join(sorted(experiments.engines)),
        seconds=time.perf_counter() - started if claims else 0.0,
        made=provenance(experiments),
        claims=(*(_other_verdicts(experiments, claims) if resume else ()), *verdicts),
        notes=(*filter(None, [remark]), *notes, *too_few_seeds(verdicts)),
        sequential=sequential,
    )
    if folder is not None:
        experiments.write_variants()
        write_json(folder / FILE, results)
    return results


def published_results(recipe: Recipe) -> StudyResults:
    """The results on a bundled study's page.

    Raises `BadInput` for a study that has none.
    """
    head, *lines = _published_lines(recipe)
    recorded = {line["id"]: line for line in lines}
    verdicts = [_recorded_verdict(claim, recorded.get(claim.id, {})) for claim in claims_of_study(recipe)]
    return TypeAdapter(StudyResults).validate_python({**head, "claims": verdicts})


def outdated_claims(recipe: Recipe) -> tuple[str, ...]:
    """The claims of a bundled study whose judgment is outdated.

    Their criterion or their readings have changed since.
    """
    recorded = {line["id"]: line["criterion"] for line in _published_lines(recipe)[1:]}
    return tuple(one.id for one in claims_of_study(recipe) if recorded.get(one.id) != _criterion_digest(one))


def published_text(recipe: Recipe, results: StudyResults) -> str:
    """The record of a bundled study as text.

    It leaves out what claims.toml says, and defaults.
    """
    claims = {claim.id: claim for claim in claims_of_study(recipe)}
    record = TypeAdapter(StudyResults).dump_python(results, mode="json", exclude_defaults=True)
    lines = [{name: value for name, value in record.items() if name != "claims"}]
    for one in record["claims"]:
        kept = {name: value for name, value in one.items() if name not in DESCRIBED}
        if one.get("readings"):  # else nothing says what the verdict is
            del kept["verdict"]
        lines.append({"id": one["id"], "criterion": _criterion_digest(claims[one["id"]]), **kept})
    texts = (json.dumps(line, ensure_ascii=False, allow_nan=False, separators=(",", ":")) for line in lines)
    return "".join(f"{text}\n" for text in texts)


def _published_lines(recipe: Recipe) -> list[dict[str, Any]]:
    path = recipe.folder / PUBLISHED
    if not path.is_file():
        raise BadInput(f"the study '{recipe.name}' has no published results; judge its claims without --as-published")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _recorded_verdict(claim: Claim, line: Mapping[str, Any]) -> dict[str, Any]:
    """A verdict with what its claim says, and with what follows from its readings."""
    described = {name: getattr(claim, of_claim) for name, of_claim in DESCRIBED.items()}
    codes = [reading["verdict"] for reading in line.get("readings", {}).values()]
    verdict = combine_verdicts(codes, claim.rule) if codes else line.get("verdict", "no verdict")
    return {**line, "verdict": verdict, **described}


def _criterion_digest(claim: Claim) -> str:
    """A digest of what decides a claim: a verdict by another criterion is not today's."""
    decisive = [claim.criterion, claim.report, claim.needed, claim.rule, list(claim.readings)]
    return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()[:12]


def judge_as_published(experiments: Experiments, claims: tuple[Claim, ...]) -> StudyResults:
    """Judge claims of a bundled study as on its page.

    Claims that take over a minute are read from the record.
    """
    published = published_results(experiments.recipe)
    known = {verdict.id: verdict for verdict in published.claims}
    quick = tuple(claim for claim in claims if 0 < known[claim.id].seconds <= RECORD_SECONDS)
    anew = judge_study(experiments, quick, sequential=True)
    verdicts = {**known, **{verdict.id: verdict for verdict in anew.claims}}
    recorded = [claim.id for claim in claims if claim not in quick]
    notes = published.notes
    if recorded:
        word = "was" if len(recorded) == 1 else "were"
        notes = (*notes, f"{', '.join(recorded)} {word} read from the record of {published.date}, not judged anew")
    return replace(
        published if recorded else anew,
        claims=tuple(verdicts[claim.id] for claim in claims),
        seconds=anew.seconds,
        notes=(*anew.notes, *notes),
    )


def _other_verdicts(experiments: Experiments, claims: Sequence[Claim]) -> tuple[Verdict, ...]:
    """The verdicts in the folder on other claims than these, over the same seeds."""
    results = None if experiments.folder is None else results_in(experiments.folder)
    if results is None or (results.seeds, results.first_seed) != (experiments.seeds, experiments.seed_numbers.start):
        return ()
    judged = {claim.id for claim in claims}
    return tuple(verdict for verdict in results.claims if verdict.id not in judged)


def results_in(folder: Path) -> StudyResults | None:
    """The results in a folder; None without any, or of another version."""
    try:
        return TypeAdapter(StudyResults).validate_python(read_json(folder / FILE))
    except (OSError, ValueError, BadInput):
        return None


def provenance(experiments: Experiments) -> Provenance:
    """The processor, threads, dtype and versions with which claims are judged."""
    versions = {name: version(name) for name in ("deltarule", "numpy", "scipy", "llvmlite")}
    return Provenance(
        processor=processor_name(),
        threads=int(os.environ.get("OMP_NUM_THREADS", 0)) or processor_count(),
        dtype=experiments.recipe.configuration.run.dtype,
        versions={"python": platform.python_version(), **versions},
    )


def too_few_seeds(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """One sentence for each needed share that so few seeds cannot reach."""
    undecided = [
        (verdict.needed, reading.of)
        for verdict in verdicts
        for reading in verdict.readings.values()
        if reading.verdict in ("undecided", "tie")
    ]
    for needed, of in sorted(set(undecided)):
        required = min_seeds(needed)
        if required is None or of < required:
            problem = f"a claim that needs {100 * needed:g} % of the seeds cannot be supported over"
            advice = "no number is enough, let it need less" if required is None else f"give {required:,} or more"
            yield f"{problem} {of:,}, even if it holds for all; {advice}"
