"""Bring results into a study's published record: `python benchmarks/publish_results.py STUDY FOLDER`.

FOLDER is what `deltarule claims STUDY --out FOLDER --resume` has written so far; claims that are not in it keep their
record. Those whose criterion has changed since they were judged wait for a verdict.
"""

import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

from deltarule.files import write_whole
from deltarule.recipes import load_recipe
from deltarule.studies.claim_results import (
    DESCRIBED,
    PUBLISHED,
    outdated_claims,
    published_results,
    published_text,
    results_in,
)
from deltarule.studies.claims import Claim, claims_of_study
from deltarule.studies.verdicts import Verdict

GIT = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
WAITING = "not judged again yet"
"""The remark on a claim whose criterion has changed since."""


def is_of(verdict: Verdict, claim: Claim) -> bool:
    """Whether the verdict is by today's criterion and readings."""
    is_same = all(getattr(verdict, name) == getattr(claim, DESCRIBED[name]) for name in DESCRIBED)
    return is_same and list(verdict.readings) == list(claim.readings)


def publish(study: str, folder: Path) -> Counter[str]:
    """Update the record of a study, and count its verdicts."""
    recipe = load_recipe(study)
    published, outdated, found = published_results(recipe), outdated_claims(recipe), results_in(folder)
    commit = subprocess.run(GIT, capture_output=True, text=True, check=True).stdout.strip()
    claims = {claim.id: claim for claim in claims_of_study(recipe)}
    fresh = {} if found is None else {one.id: replace(one, commit=commit) for one in found.claims}
    verdicts = []
    for known in published.claims:
        if known.id in fresh and is_of(fresh[known.id], claims[known.id]):
            verdicts.append(fresh[known.id])
        elif known.id in outdated:
            # What is known of it may stand in the remark.
            remark = known.remark if known.remark.startswith(WAITING) else WAITING
            verdicts.append(replace(known, verdict="no verdict", readings={}, controls=(), remark=remark))
        else:
            verdicts.append(known)
    if found is not None:
        published = replace(published, date=found.date, seeds=max(found.seeds, published.seeds), made=found.made)
    text = published_text(recipe, replace(published, claims=tuple(verdicts)))
    write_whole(recipe.folder / PUBLISHED, text.encode())
    return Counter(one.verdict for one in verdicts)


if __name__ == "__main__":
    print(dict(publish(sys.argv[1], Path(sys.argv[2]))))
