"""Check gradient code, and name the mistake: `check.py` has the checks, `verdict.py` their steps."""
