"""MLPClassifier and MLPRegressor with scikit-learn's interface.

`base` has what both share: `fit_plan` prepares a fit with `problem_settings`, `fits` trains,
`weights` converts what was learned, `prediction` computes outputs. May import nothing of `search` and `tabular`.
"""
