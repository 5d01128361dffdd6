"""MLPClassifier and MLPRegressor with scikit-learn's interface.

`base` fits, `prediction` predicts, `validation` checks input, `problem_settings` converts parameters, and `codec` is
for model files. May import nothing of `search` and `tabular`.
"""
