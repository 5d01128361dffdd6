"""For benchmarks/crashes.py: the commands that it disturbs, their processes, and the checks afterwards."""
