"""Judge stored claims again, and report drift: `python benchmarks/judge_again.py STUDY ... [--seeds N]`.

A stored share has drifted if it lies outside the 99.9 % interval of the share that is found now, or if a reading was
supported and now fails, or the other way round. Without --seeds the seeds are those of the stored results.

--claims ID ... judges these alone; --sequential judges over as many seeds as decide.
"""

import argparse
import sys
from contextlib import closing

from deltarule.errors import BadInput
from deltarule.recipes import load_recipe
from deltarule.stats.intervals import exact_share_interval
from deltarule.studies.claim_results import published_results
from deltarule.studies.claims import STUDIES, claims_of_study
from deltarule.studies.experiments import Experiments
from deltarule.studies.verdicts import HOLDS, Verdict, judge_claim, looks_up_to

CLEAR = HOLDS | {"disagrees", "some seeds"}
"""Verdicts on readings that more seeds would hardly change."""


def judge(study: str, options: argparse.Namespace) -> dict[str, Verdict]:
    """Judge the chosen claims of a study."""
    recipe = load_recipe(study)
    stored = published_results(recipe)
    experiments = Experiments(recipe, seeds=options.seeds or stored.seeds, first_seed=stored.first_seed)
    if experiments.dataset.remark:
        raise BadInput(experiments.dataset.remark)
    looks = looks_up_to(experiments.seeds) if options.sequential else ()
    with closing(experiments):
        chosen = [claim for claim in claims_of_study(recipe) if not options.claims or claim.id in options.claims]
        return {claim.id: judge_claim(claim, experiments, looks) for claim in chosen}


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
            elif (before.verdict in HOLDS) != (now.verdict in HOLDS) and {before.verdict, now.verdict} <= CLEAR:
                sentences.append(f"{where}: {before.verdict}, now {now.verdict}")
    return sentences


def main() -> int:
    """Judge the studies that are named again; 1 if anything has drifted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", nargs="*", default=list(STUDIES))
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--claims", nargs="+")
    parser.add_argument("--sequential", action="store_true")
    options = parser.parse_args()
    sentences: list[str] = []
    for study in options.studies:
        before = published_results(load_recipe(study)).claims
        sentences += drift(study, before, judge(study, options))
    print(*sentences or ["no drift"], sep="\n")
    return 1 if sentences else 0


if __name__ == "__main__":
    sys.exit(main())
