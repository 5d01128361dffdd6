"""Export a training run as one plain NumPy script, to read and to change.

`script` renders it from a template; `statements` writes the statements of every layer.
"""
