"""Check a training script as it is: begin at `check_script.py`.

`own_process.py` starts the process in which this happens. `source.py` reads what the text says, `tracing.py` runs it
and finds its loops, `step_run.py` goes through one step, with arrays moved a little; `slopes.py` and `verdict.py` say
what the numbers of these runs prove, `further_runs.py` what more runs do. `correction.py` looks for the line to change.
"""
