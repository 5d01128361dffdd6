"""Rows to learn from: made by the program, bundled with scikit-learn, or read from a user's own table."""
