"""Train the members of a problem until their stop rules end them.

Begin with `loop.py` and `rules.py`, then `train.py` and `epochs.py`, which pass their rules to the loop;
`populations.py` turns configurations into problems. Imports the packages `maths`, `problem`, `data`, `engines` and
`stats`.
"""
