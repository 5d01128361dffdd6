"""Studies: recipes of student reports, and what judges their claims.

Begin at `recipes` (read a study), `runner` (train it), `verdicts` (what a claim is), `claim_results` (judge all claims
of a study) and `report.page` (draw the page of a folder). May import everything except `cli` and `benchmarks`.
"""
