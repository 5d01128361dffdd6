"""For benchmarks/estimators.py: measurements of our estimators and of scikit-learn's, and the page that shows them."""
