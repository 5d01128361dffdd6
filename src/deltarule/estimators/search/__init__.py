"""PopulationSearchCV: hyperparameter search whose candidates train as populations."""
