"""Hyperparameter search whose candidates are trained on all folds as populations.

`search` has PopulationSearchCV; `search_fits` plans its fits, `population_fits` trains them, `search_cache` stores
them. May import `mlp` and `sweeps`.
"""
