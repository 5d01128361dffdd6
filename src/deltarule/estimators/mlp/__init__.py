"""MLPClassifier and MLPRegressor with scikit-learn's interface.

`base` fits and has what both share, `input_validation` checks input, `problem_settings` makes the problem of a fit,
`prediction` computes outputs. May import nothing of `search` and `tabular`.
"""
