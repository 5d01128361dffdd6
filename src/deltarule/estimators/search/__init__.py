"""Hyperparameter search whose candidates are trained on all folds as populations.

`search` has PopulationSearchCV; `search_fits` plans and trains its fits. May import `mlp`.
"""
