import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from deltarule import TabularClassifier

CLASSES = ["猫", "狗", "Ωmega", "cat"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A table whose classes an encoding may lack, and a model that errs on it."""
    folder = tmp_path_factory.mktemp("classes")
    random = np.random.default_rng(0)
    place = np.arange(80) % 4
    table = pd.DataFrame({"größe – λ": place + random.normal(scale=0.6, size=80), "b": random.normal(size=80)})
    table["kind"] = [CLASSES[one] for one in place]
    table.to_csv(folder / "table.csv", index=False)
    model = TabularClassifier(random_state=0).fit(table.drop(columns="kind"), table["kind"].to_numpy())
    model.target_ = "kind"
    model.save(folder / "model.safetensors")
    return folder


def printed(folder, encoding, width):
    words = [sys.executable, "-m", "deltarule", "evaluate", folder / "model.safetensors", folder / "table.csv"]
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "COLUMNS": str(width)}
    return subprocess.run(words, capture_output=True, env=environment, check=True).stdout.decode(encoding)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_names_that_differ_differ_in_every_encoding_and_stand_in_line(folder, encoding):
    said = printed(folder, encoding, 100)
    rows = said.partition("precision")[2].partition("accuracy lost")[0].splitlines()[2:6]
    assert len({row.split()[0].strip("|") for row in rows}) == len(CLASSES)
    if encoding != "utf-8":  # there a character may be two columns wide
        assert len({row.rindex(" %") for row in rows}) == 1 and "?" not in said
        assert "\\u732b" in said
        assert ("gr\\xf6\\xdfe - lambda" if encoding == "ascii" else "größe – lambda") in said


@pytest.mark.parametrize("width", [30, 40, 60, 80])
def test_numbers_stand_in_one_piece_on_a_narrow_screen_too(folder, width):
    wide, said = printed(folder, "utf-8", 200), printed(folder, "utf-8", width)
    shares = [word for row in wide.partition("precision")[2].splitlines()[2:6] for word in row.split() if "." in word]
    words = said.replace(" %", "%").split()
    assert all(f"{share}%" in words for share in shares) and len(shares) == 8
    assert {"precision", "accuracy", "interval"} <= {*words}
    if width >= 40:
        assert max(map(len, said.partition("precision")[2].partition("Lost")[0].splitlines())) <= width + 1
