"""Estimators with scikit-learn's interface, trained by deltarule.

`mlp` has MLPClassifier and MLPRegressor, `search` PopulationSearchCV, `tabular` the estimators for tables;
`model_file` saves and loads all of them. May import every package above it in the table of
docs/architecture.md; private names of scikit-learn are used in `sklearn_compat` only.
"""
