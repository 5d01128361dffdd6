"""Judge stored claims again and report drift: `python benchmarks/judge_again.py STUDY ... [--seeds N]`.

A stored share has drifted if it lies outside the interval of the share that is found now, or if a verdict has changed.
Without --seeds the seeds are those of the stored results; with fewer, undecided verdicts are no drift.
"""

import argparse
import sys

from deltarule.studies.claim_results import STUDIES, claims_of_study, judge_study, stored_results
from deltarule.studies.experiments import Experiments
from deltarule.studies.recipes import load_recipe


def drift_of(study: str, seeds: int | None) -> list[str]:
    """Sentences on what differs from the stored results."""
    recipe = load_recipe(study)
    stored = stored_results(recipe)
    experiments = Experiments(recipe, seeds=seeds or stored.seeds, first_seed=stored.first_seed)
    found = {verdict.id: verdict for verdict in judge_study(experiments, claims_of_study(recipe)).claims}
    sentences = []
    for verdict in stored.claims:
        for name, before in verdict.readings.items():
            now = found[verdict.id].readings[name]
            if before.interval is None or now.interval is None:
                continue
            share = before.count / before.of
            if not now.interval.low <= share <= now.interval.high:
                shares = f"{100 * share:.0f} % before, {100 * now.count / now.of:.0f} % now"
                sentences.append(f"{study}, {verdict.id}, {name or 'its reading'}: {shares}")
            elif now.verdict not in (before.verdict, "undecided"):
                sentences.append(f"{study}, {verdict.id}, {name or 'its reading'}: {before.verdict}, now {now.verdict}")
    return sentences


def main() -> int:
    """Judge the studies that are named again; 1 if anything has drifted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("studies", nargs="*", default=list(STUDIES))
    parser.add_argument("--seeds", type=int)
    arguments = parser.parse_args()
    sentences = [sentence for study in arguments.studies for sentence in drift_of(study, arguments.seeds)]
    print(*sentences or ["no drift"], sep="\n")
    return 1 if sentences else 0


if __name__ == "__main__":
    sys.exit(main())
