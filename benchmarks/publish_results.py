"""Bring results into a study's published record: `python benchmarks/publish_results.py STUDY FOLDER`.

FOLDER is what `deltarule claims STUDY --out FOLDER --resume` has written so far; claims that are not in it keep their
record. Those whose criterion has changed since they were judged wait for a verdict.
"""

import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

from deltarule.json_files import write_json
from deltarule.studies.claim_results import PUBLISHED, published_results, results_in
from deltarule.studies.claims import Claim, claims_of_study
from deltarule.studies.recipes import load_recipe
from deltarule.studies.verdicts import Verdict

GIT = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
WAITING = "not judged again yet"
"""The remark on a claim whose criterion has changed since."""
DECISIVE = ("id", "report", "criterion", "needed", "rule")
DESCRIBED = (*DECISIVE, "contradicts_itself", "changed")


def described_as(verdict: Verdict, claim: Claim) -> Verdict:
    """The verdict with today's words of its claim."""
    return replace(verdict, claim=claim.says, **{name: getattr(claim, name) for name in DESCRIBED})


def is_of(verdict: Verdict, claim: Claim) -> bool:
    """Whether the verdict is by today's criterion and readings."""
    is_same = all(getattr(verdict, name) == getattr(claim, name) for name in DECISIVE)
    return is_same and list(verdict.readings) == list(claim.readings)


def publish(study: str, folder: Path) -> Counter[str]:
    """Update the record of a study, and count its verdicts."""
    recipe, published = load_recipe(study), published_results(load_recipe(study))
    found = results_in(folder)
    commit = subprocess.run(GIT, capture_output=True, text=True, check=True).stdout.strip()
    fresh = {} if found is None else {one.id: replace(one, commit=commit) for one in found.claims}
    known = {one.id: one for one in published.claims}
    verdicts = []
    for claim in claims_of_study(recipe):
        candidates = [
            one for one in (fresh.get(claim.id), known.get(claim.id)) if one is not None and is_of(one, claim)
        ]
        before = known[claim.id].remark if claim.id in known else ""  # what is known of it may stand there
        remark = before if before.startswith(WAITING) else WAITING
        waiting = Verdict("", "", "", "", claim.needed, "no verdict", remark=remark)
        verdicts.append(described_as(candidates[0] if candidates else waiting, claim))
    if found is not None:
        published = replace(published, date=found.date, seeds=max(found.seeds, published.seeds), made=found.made)
    write_json(recipe.folder / PUBLISHED, replace(published, claims=tuple(verdicts)))
    return Counter(one.verdict for one in verdicts)


if __name__ == "__main__":
    print(dict(publish(sys.argv[1], Path(sys.argv[2]))))
