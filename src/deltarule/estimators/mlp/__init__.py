"""MLPClassifier and MLPRegressor with scikit-learn's interface.

`parameters` declares what both take, `fit` owns a fit from its rows to the fitted model, `fitted_network` has the
network, its weights and the problem that trains it, `prediction` computes outputs. May import nothing of `search` and
`tabular`.
"""
