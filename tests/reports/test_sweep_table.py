import io
from types import SimpleNamespace as record

import pytest
from rich.console import Console

from deltarule.reports.sweep_table import best_configurations

KEYS = (
    *("optimizer.learning_rate", "optimizer.momentum", "network.layers", "network.activation"),
    *("run.batch_size", "stopping.max_epochs"),
)
VALUES = [(0.003, 0.9, [4, 16, 3], "sigmoid", 32, 2000), (0.1, 0.95, [4, 8, 3], "tanh", 8, 500)]


def printed(width, keys=KEYS, values=VALUES):
    best = [
        record(settings=dict(zip(keys, given, strict=True)), rows=25, diverged=0, mean=0.9123, least=0.8, greatest=1.0)
        for given in values
    ]
    outcome = record(study="mine", metric="accuracy", ranked="validation", rows=50, diverged=0, out=None, notes=())
    file = io.StringIO()
    Console(file=file, width=width).print(best_configurations(record(**vars(outcome), configurations=best)))
    return file.getvalue()


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_of_many_keys_every_number_and_name_is_whole_at_any_width(width):
    text = printed(width)
    assert "…" not in text and max(map(len, text.splitlines())) <= width
    assert {"0.003", "0.1", "0.9", "0.95", "32", "8", "2000", "500", "0.9123", "0.8000", "25"} <= {*text.split()}
    assert all(part in text for key in KEYS for part in key.partition(".")[2].split("_"))
    assert ("─" in text) == (width >= 80)


def test_numbers_stand_to_the_right_and_whether_or_not_to_the_left():
    lines = printed(80, ("optimizer.nesterov_momentum", "run.batch_size"), [(True, 8), (False, 32)]).splitlines()
    assert [line.split()[0] for line in lines[2:4]] == ["true", "false"]
    assert [line[0] for line in lines[2:4]] == ["t", "f"] and lines[2].index(" 8 ") == lines[3].index("32 ")
