"""Verdicts in words: every stored claim has some, and each says what its verdict depends on."""

import pytest

from deltarule.json_files import read_json
from deltarule.reports.verdict_words import VERDICT_WORDS, describe_verdict
from deltarule.studies.recipes import load_recipe
from deltarule.studies.verdicts import VERDICTS, Share

STUDIES = ("encoder", "encoder-relu", "boundary-linear", "boundary-xor", "mnist", "cifar")


def test_every_verdict_has_words():
    assert set(VERDICT_WORDS) == set(VERDICTS)


@pytest.mark.parametrize("study", STUDIES)
def test_a_stored_mixed_claim_counts_the_readings_that_support_it(study):
    for claim in read_json(load_recipe(study).folder / "results.json")["claims"]:
        words = describe_verdict(claim["verdict"], claim["conventions"])
        readings = [share["verdict"] for share in claim["conventions"].values()]
        if claim["verdict"] != "mixed":
            assert words == VERDICT_WORDS[claim["verdict"]]
        elif "agrees" in readings:
            assert words.endswith(f"{readings.count('agrees')} of {len(readings)} readings")
        else:
            assert words == "supported for some seeds only"


def test_records_and_their_json_are_described_alike():
    shares = {"sum": Share(2, 100, None, "disagrees"), "mean": Share(93, 100, None, "agrees")}
    assert describe_verdict("mixed", shares) == describe_verdict("mixed", {k: vars(v) for k, v in shares.items()})
