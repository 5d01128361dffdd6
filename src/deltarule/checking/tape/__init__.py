"""Record the forward pass of user code as a tape (`record.py`), and run its backward pass (`backward.py`)."""
