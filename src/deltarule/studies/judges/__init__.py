"""The judges of the bundled studies' claims, and the trainings behind them.

A judge is called with the study's experiments for each reading of the report, and says for which seeds a criterion
holds. Where a criterion says "about", it means within a factor √2. Claims are tables in the claims.toml of a study.
"""
