"""Estimators for scikit-learn: its parameters, names and meanings, on deltarule's own training."""
