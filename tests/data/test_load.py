import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deltarule.data import synthetic
from deltarule.data.bundled import load_bundled
from deltarule.data.load import load, names
from deltarule.data.published import PUBLISHED
from deltarule.errors import BadInput


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "points.csv"
    path.write_text("a,y\n1,0\n2,1\n", encoding="utf-8")
    return path


def test_every_name_loads_what_it_says() -> None:
    for name, description in names():
        assert re.fullmatch(r"[^\n]{20,120}\.", description)
        if name in PUBLISHED:  # they need files: tests/data/test_images.py
            continue
        dataset = load(name)
        assert dataset.name == name
        assert dataset.note.endswith(".")
    assert load("iris").digest == load_bundled("iris").digest


def test_a_file_is_read_by_path_and_by_text(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(table, "y").classes == load(str(table), "y").classes == ("0", "1")
    assert load(table, "y", task="regress").classes == ()
    monkeypatch.chdir(table.parent)
    assert load("points.csv", "y").features == ("a",)


def test_a_file_is_looked_for_in_the_data_folder_first(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (table.parent / "data").mkdir()
    (table.parent / "data" / "points.csv").write_text("b,y\n1,0\n2,1\n", encoding="utf-8")
    (table.parent / "here.csv").write_text("c,y\n1,0\n2,1\n", encoding="utf-8")
    monkeypatch.chdir(table.parent)
    assert load("points.csv", "y", data_dir="data").features == ("b",)
    assert load("here.csv", "y", data_dir="data").features == ("c",)
    assert load(table, "y", data_dir="data").features == ("a",)
    assert load("xor", data_dir="data").digest == synthetic.xor().digest


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        (
            "digit",
            {},
            r"no data set named 'digit' \(did you mean digits\?\); choose one of one_hot, .*, or name a file",
        ),
        ("qqqq", {}, r"no data set named 'qqqq'; choose one of"),
        ("", {}, "no data set named ''"),
        ("iris", {"target": "species"}, "iris has no option 'target'; it has none"),
        ("iris", {"size": 3}, "iris has no option 'size'; it has none"),
        ("linear", {"size": 3}, "linear has no option 'size'; it has samples, seed"),
        ("a.csv", {"target": "y", "seed": 3}, "a file has no option 'seed'; it has task"),
        ("missing.csv", {"target": "y"}, "missing.csv does not exist"),
        ("a.csv", {"target": "y", "data_dir": "missing"}, "a.csv does not exist; check the name and the folder"),
    ],
)
def test_what_cannot_be_loaded_is_one_sentence(name: Any, options: dict[str, object], sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence) as caught:
        load(name, **options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


# Figures as the data sets' own descriptions give them (scikit-learn, "Toy datasets").
@pytest.mark.parametrize(
    ("name", "rows", "inputs", "counts"),
    [
        ("digits", 1797, 64, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]),
        ("iris", 150, 4, [50, 50, 50]),
        ("wine", 178, 13, [59, 71, 48]),
        ("breast_cancer", 569, 30, [212, 357]),
    ],
)
def test_classes_have_their_published_sizes(name: str, rows: int, inputs: int, counts: list[int]) -> None:
    dataset = load_bundled(name)
    assert dataset.name == name
    assert (len(dataset.train), dataset.inputs) == (rows, inputs)
    assert np.bincount(dataset.train.labels).tolist() == counts
    assert len(dataset.classes) == len(counts)
