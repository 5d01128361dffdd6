"""Our estimators beside scikit-learn's: what benchmarks/estimators.py measures, and the page it draws."""
