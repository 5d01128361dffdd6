"""What benchmarks/crashes.py disturbs, in what processes, and what must hold afterwards."""
