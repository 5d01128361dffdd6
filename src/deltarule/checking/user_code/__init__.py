"""Bring user code into one form, `Code`: a loss and its gradient.

`callables.py` takes functions, `layers.py` a forward and a backward pass, `object_adapter.py` an object, `updates.py` a
step. `arrays.py` flattens parameters, `gradient_arrays.py` finds their gradients in what a function returns.
"""
