"""Bring users' code into one form: `Code`, a loss and a gradient as functions of a list of arrays.

`callables.py` takes functions, `layers.py` a forward and a backward pass, `object_adapter.py` an object, `updates.py` a
step. `arrays.py` flattens parameters, `gradient_arrays.py` finds their gradients in what a function returns.
"""
