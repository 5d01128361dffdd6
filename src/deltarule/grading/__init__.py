"""Grade submissions of an assignment: `deltarule grade`.

A teacher writes an assignment (`assignment.py`: what is called, with which values, for how many points). Each
submission runs in a separate process (`process.py` on this side, `worker.py` on the other). Only this side compares
(`grade.py`), names mistakes (`diagnosis.py`) and writes results (`results.py`, `classroom_formats.py`, `pages.py`).
May import everything below it, such as `checking` and `reports`; `worker.py` imports nothing of ours.
"""
