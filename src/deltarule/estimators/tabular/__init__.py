"""TabularClassifier and TabularRegressor: estimators for raw tables."""
