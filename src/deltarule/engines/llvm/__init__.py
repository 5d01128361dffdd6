"""The engine that prints programs of updates in LLVM's language, and runs them on blocks of members.

Begin at `printer.py`; `plan.py` says in which loops a program runs. `engine.py` calls what `machine_code.py` compiles.
"""
