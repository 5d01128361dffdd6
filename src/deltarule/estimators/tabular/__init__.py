"""TabularClassifier and TabularRegressor, the estimators for raw tables.

`tabular` fits, `candidate_search` chooses hyperparameters within a `training_budget`, `evaluation` and `scores` assess
predictions, and `codec` is for model files. May import `mlp` and `search`.
"""
