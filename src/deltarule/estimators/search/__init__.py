"""Hyperparameter search whose candidates are trained on all folds as populations.

`search` has PopulationSearchCV; `search_fits` plans its fits, and `population_fits` trains them. May import `mlp`.
"""
