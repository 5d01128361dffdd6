"""Grade submissions of an assignment: `deltarule grade`.

A teacher writes an assignment (`assignment.py`: what is called, with which values, for how many points). Each
submission runs in a process of its own (`process.py` on this side, `worker.py` on the other), in the sandbox that the
system allows (`sandbox.py`, built by `launcher.py`), two at a time (`pool.py`). Only this side compares (`grade.py`),
names mistakes (`diagnosis.py`), gives points for what follows from a student's own mistakes (`follow_on.py`), finds
the submissions (`entries.py`, `submissions.py`), when they came (`times.py`) and whose they are (`roster.py`,
`matching.py`), reads what the teacher marks (`marks.py`) and writes results (`record.py`, `results.py`; `systems.py`
has the forms of Canvas and others). Before, it says whose is whose (`dry_run.py`) and what the data cannot tell
(`weak_data.py`), and writes what students get (`starter.py`). May import everything below it, such as `checking` and
`reports`; `worker.py` and `launcher.py` import nothing of ours.
"""
