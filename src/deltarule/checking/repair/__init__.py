"""Correct wrong gradient code by trial: find the line, try small edits of it, say the one that works.

Begin at `search.py`. `location.py` says where an edit may help, `edits/` writes the edits, `trials.py` runs them and
says which entries of the gradient are right. It may import `user_code` and `numerics`.
"""

SECONDS = 5.0
"""What a search may take by default."""
