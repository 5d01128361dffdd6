from dataclasses import replace

import pytest

from deltarule.errors import RunFailed
from deltarule.problem.configuration import parse
from deltarule.sweeps.grid import plan_sweep
from deltarule.sweeps.plan import Source
from deltarule.sweeps.worker import train_unit


def test_changed_data_are_refused(tmp_path):
    table = {"data": {"name": "xor"}, "network": {"layers": [2, 1]}, "stopping": {"max_steps": 1}}
    source = Source(tmp_path)
    [unit] = plan_sweep(parse(table), source).units
    with pytest.raises(RunFailed, match="^the rows of xor are not those that the sweep was planned with; give all"):
        train_unit(replace(unit, data="0" * 64), source, keep=False)
