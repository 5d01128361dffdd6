"""Studies: recipes of student reports, and what judges their claims.

Begin at `runner` (train a recipe), `verdicts` (what a claim is), `claim_results` (judge all claims of a study) and
`report.page` (draw the page of a folder). Only `cli` and `learn` may import it.
"""
