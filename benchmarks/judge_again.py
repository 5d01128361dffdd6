"""Judge stored claims again, and report drift: `python benchmarks/judge_again.py STUDY ... [--seeds N]`.

A stored share has drifted if it lies outside the 99.9 % interval of the share that is found now, or if a reading was
supported and now fails, or the other way round. Without --seeds the seeds are those of the stored results.

With --sweeps FOLDER nothing is swept: claims are judged from the stores in it, such as a copy of what
`deltarule claims STUDY --out` has written so far. A claim whose sweeps are unfinished keeps its stored verdict; one of
which only the control is unfinished is judged without it.
--claims ID ... judges these alone; --sequential judges over as many seeds as decide; --write puts what was judged into
the study's stored results.
"""

import argparse
import subprocess
import sys
from contextlib import closing, suppress
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from stored_results import CONTROL_IS_OPEN, results_file, stored_results

from deltarule.errors import BadInput, DeltaruleError
from deltarule.json_files import write_json
from deltarule.stats.intervals import exact_share_interval
from deltarule.studies.claim_results import provenance
from deltarule.studies.claims import STUDIES, claims_of_study
from deltarule.studies.experiments import Experiments
from deltarule.studies.recipes import load_recipe
from deltarule.studies.verdicts import Verdict, judge_claim, looks_up_to
from deltarule.sweeps.sweep import SweepProgress

GIT = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
COMMIT = subprocess.run(GIT, capture_output=True, text=True, check=True).stdout.strip()
"""Of the code that judges."""


class Unfinished(DeltaruleError):
    """A sweep lacks networks."""


def refuse_training(name: str, progress: Any) -> None:
    """Stop a sweep that would train, before it does."""
    if isinstance(progress, SweepProgress) and progress.done < progress.rows:
        raise Unfinished(f"{name} has {progress.done:,} of {progress.rows:,} networks")


def judge(study: str, options: argparse.Namespace) -> dict[str, Verdict]:
    """Judge the chosen claims of a study, and write them if asked to."""
    recipe = load_recipe(study)
    stored = stored_results(study)
    experiments = Experiments(
        recipe,
        seeds=options.seeds or stored.seeds,
        first_seed=stored.first_seed,
        folder=options.sweeps,
        progress=refuse_training if options.sweeps else None,
    )
    if experiments.dataset.remark:
        raise BadInput(experiments.dataset.remark)
    found: dict[str, Verdict] = {}
    with closing(experiments):
        for claim in claims_of_study(recipe):
            if options.claims and claim.id not in options.claims:
                continue
            try:
                looks = looks_up_to(experiments.seeds) if options.sequential else ()
                found[claim.id] = replace(judge_claim(claim, experiments, looks), commit=COMMIT)
            except Unfinished as error:
                print(f"{claim.id} is unfinished: {error}")
                with suppress(Unfinished):
                    verdict = judge_claim(replace(claim, control=None), experiments)
                    found[claim.id] = replace(verdict, remark=CONTROL_IS_OPEN, commit=COMMIT)
    if options.write and found:
        known = {verdict.id: verdict for verdict in stored.claims} | found
        results = replace(
            stored,
            date=date.today().isoformat(),
            seeds=experiments.seeds,
            engine=", ".join(sorted({*filter(None, stored.engine.split(", ")), *experiments.engines})),
            made=provenance(experiments),
            claims=tuple(known[claim.id] for claim in claims_of_study(recipe) if claim.id in known),
        )
        write_json(results_file(study), results)
    return found


def drift(study: str, stored: tuple[Verdict, ...], found: dict[str, Verdict]) -> list[str]:
    """Sentences on what differs from the stored verdicts."""
    sentences = []
    for verdict in stored:
        readings = found[verdict.id].readings if verdict.id in found else {}
        for name, before in verdict.readings.items():
            now = readings.get(name)
            if now is None or before.interval is None or now.interval is None:
                continue
            share, interval = before.count / before.of, exact_share_interval(now.count, now.of, 0.999)
            where = f"{study}, {verdict.id}, {name or 'its reading'}"
            if not interval.low <= share <= interval.high:
                sentences.append(f"{where}: {100 * share:.0f} % before, {100 * now.count / now.of:.0f} % now")
            elif {before.verdict, now.verdict} in ({"agrees", "disagrees"}, {"agrees", "some seeds"}):
                sentences.append(f"{where}: {before.verdict}, now {now.verdict}")
    return sentences


def main() -> int:
    """Judge the studies that are named again; 1 if anything has drifted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", nargs="*", default=list(STUDIES))
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--claims", nargs="+")
    parser.add_argument("--sweeps", type=Path)
    parser.add_argument("--sequential", action="store_true")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    sentences: list[str] = []
    for study in options.studies:
        before = stored_results(study).claims
        sentences += drift(study, before, judge(study, options))
    print(*sentences or ["no drift"], sep="\n")
    return 1 if sentences else 0


if __name__ == "__main__":
    sys.exit(main())
