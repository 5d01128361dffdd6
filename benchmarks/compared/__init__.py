"""What same_results.py compares, where it is long enough for a file of its own."""
