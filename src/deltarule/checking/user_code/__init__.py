"""Bring user code into one form, `Code`: a loss and its gradient."""
