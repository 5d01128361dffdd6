"""Small edits of a program: of an expression (`expressions.py`), of whole statements (`statements.py`)."""
