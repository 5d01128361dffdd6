"""Record the forward pass of user code as a tape of operations, whose backward pass can be run with mistakes in it.

`record.py` calls a loss with arrays that note what is done with them; `traced_array.py` is such an array,
`array_functions.py` has NumPy's functions of it, `numpy_tracing.py` the context in which they are used,
`operations.py` has the derivatives, `backward.py` goes back. Mistakes are planted by `mistakes/tape_hypotheses.py`.
May import `user_code`.
"""
