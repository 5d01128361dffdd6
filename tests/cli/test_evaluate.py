import io
import re
import sys

import numpy as np
import pandas as pd
import pytest
from rich.cells import cell_len

from deltarule import TabularClassifier
from deltarule.cli import main

TABLES = {
    "short": (["größe – λ", "größe - lambda"], ["猫", "狗", "λ", "lambda"]),
    "long": (["größe – λ" * 6, "b"], ["x" * 59 + last for last in "abcd"]),
    "alike": (["age", "size"], [f"department of plant {place}, north region" for place in "1234"]),
}
"""Columns and classes that an encoding may lack, or a screen have no room for."""


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """What the command prints of a table in an encoding and a width, once for each."""
    folder = tmp_path_factory.mktemp("classes")
    random = np.random.default_rng(0)
    place = np.arange(80) % 4
    one, other = place + random.normal(scale=0.6, size=80), random.normal(size=80)
    for table, (names, classes) in TABLES.items():
        frame = pd.DataFrame(dict(zip(names, (one, other), strict=True)))
        kind = np.array(classes)[place]
        model = TabularClassifier(random_state=0).fit(frame, kind)
        model.target_ = "kind"
        model.save(folder / f"{table}.safetensors")
        frame.assign(kind=kind).to_csv(folder / f"{table}.csv", index=False)
    seen = {}

    def printed(table, encoding, width):
        if (table, encoding, width) not in seen:
            words = ["deltarule", "evaluate", str(folder / f"{table}.safetensors"), str(folder / f"{table}.csv")]
            with pytest.MonkeyPatch.context() as here:
                here.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding))
                here.setattr(sys, "argv", words)
                here.setenv("COLUMNS", str(width))
                with pytest.raises(SystemExit) as ended:
                    main()
                assert not ended.value.code
                seen[table, encoding, width] = sys.stdout.buffer.getvalue().decode(encoding)
        return seen[table, encoding, width]

    return printed


def tables_of(said):
    """Of what was printed the tables alone: that of the classes, and that of the columns."""
    tables = said[said.index("\n\n") + 2 :].partition("Lost:")[0]
    return re.split(r"\n\n(?=column|[ \n]+accuracy)", tables, maxsplit=1)


@pytest.mark.parametrize("width", [30, 37, 40, 46, 60, 80])
@pytest.mark.parametrize("table", TABLES)
def test_names_and_numbers_have_room_on_a_narrow_screen_too(printed, table, width):
    wide, narrow = (tables_of(printed(table, "utf-8", one)) for one in (400, width))
    for whole, told, names in zip(wide, narrow, reversed(TABLES[table]), strict=True):
        rows = [re.split(" {2,}", row.strip()) for row in whole.splitlines()[2:]]
        numbers = [cell for _, *cells in rows for cell in cells if cell.lstrip("-")[:1].isdigit()]
        assert len(numbers) in (4 * 3, 2 * 2)
        assert all(re.search(rf"(?<!\S){re.escape(cell)}(?!\S)", told) for cell in numbers)
        assert {"precision", "recall", "class"} <= {*told.split()} or {"accuracy", "interval"} <= {*told.split()}
        if "─" in told:
            assert max(map(cell_len, told.splitlines())) <= width
            end = max(line.find("rows" if "rows" in told else "accuracy") for line in told.splitlines())
            shown = [line[:end] for line in told.splitlines()]
        else:
            rows = [(re.match(r"(class|column)\s+", row)[0], row) for row in told.split("\n\n") if row.strip()]
            shown = [line[len(start.split("\n")[-1]) :] for start, row in rows for line in row.splitlines()]
            assert width < 50
        assert all(name.replace(" ", "") in "".join(shown).replace(" ", "") for name in names)
