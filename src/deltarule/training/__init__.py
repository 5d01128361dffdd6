"""Train the members of a problem until their stop rules end them.

Begin with `train.py`, `epochs.py` and `loop.py`; `populations.py` turns configurations into problems. Imports the
packages `maths`, `problem`, `data`, `engines` and `stats`.
"""
