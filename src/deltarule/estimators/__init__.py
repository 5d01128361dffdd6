"""Estimators for scikit-learn, with its parameters and meanings, on deltarule's own training.

`mlp` has MLPClassifier and MLPRegressor, `search` PopulationSearchCV, `tabular` the estimators for tables;
`model_file` saves and loads all of them. May import everything below it in docs/architecture.md; private names of
scikit-learn stand in `sklearn_compat` only.
"""
