"""scikit-learn estimators MLPClassifier and MLPRegressor: parameters, fitting, prediction."""
