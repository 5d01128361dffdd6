"""Record the forward pass of user code as a tape, and run its backward pass.

`record.py` calls a loss with arrays that record the operations applied to them; `traced_array.py` defines such arrays,
`array_functions.py` NumPy's functions for them and the context in which user code runs with them, and
`backward.py` the derivatives and the backward pass. `mistakes/planting.py` plants mistakes. May import `user_code`.
"""
