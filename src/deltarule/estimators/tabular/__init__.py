"""TabularClassifier and TabularRegressor, the estimators for raw tables.

`tabular` fits, `candidate_search` chooses hyperparameters within a budget, `calibration` calibrates probabilities, and
`evaluation` and `scores` assess predictions. May import `mlp` and `search`.
"""
