"""Estimators with scikit-learn's interface, trained by deltarule.

`mlp` has MLPClassifier and MLPRegressor, `search` PopulationSearchCV, `tabular` the estimators for tables;
`model_file` saves and loads all of them. May import `training`, `tables` and what is below them, neither
`reports` nor `sweeps`; private names of scikit-learn are used in `sklearn_compat` only.
"""
