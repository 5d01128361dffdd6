"""Correct wrong gradient code by trial: find the line, try small edits of it, say the one that works.

Begin at `search.py`. `program.py` puts edited code in the place of a running program's functions, `oracle.py` says
which entries of the gradient are right, and `edits/` writes the edits. It may import `user_code` and `numerics`.
"""
