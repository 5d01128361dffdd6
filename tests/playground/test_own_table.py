"""Tables of users, as they paste and open them, become numbers on which networks learn."""

from pathlib import Path

import numpy as np
import pytest
from refusals import refuses

from deltarule.data.table_file import read_table
from deltarule.errors import BadInput
from deltarule.playground import own_table
from deltarule.playground.own_table import OwnTable, read_own_table
from deltarule.playground.play import open_session

ROWS = [(0.5, 1.25, "a"), (1.5, 0.25, "b"), (2.0, 1.75, "a")]


@pytest.fixture
def read(tmp_path: Path):
    def called(text: str, target: str = "", name: str = "mine.csv") -> OwnTable:
        (tmp_path / name).write_text(text, encoding="utf-8")
        (tmp_path / "copies").mkdir(exist_ok=True)
        return read_own_table(tmp_path / name, target, tmp_path / "copies")

    return called


def written(separator: str, decimal: str, header: bool = True) -> str:
    rows = [["x", "y", "class"]] * header + [[str(x), str(y), kind] for x, y, kind in ROWS]
    return "\n".join(separator.join(cell.replace(".", decimal) for cell in row) for row in rows) + "\n"


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize(
    ("separator", "decimal"), [(",", "."), ("\t", "."), ("\t", ","), (";", "."), (";", ","), (" ", ".")]
)
def test_forms_of_one_table_give_the_same_numbers(read, separator, decimal, header):
    table = read(written(separator, decimal, header))
    dataset = read_table(table.path, table.target)
    x = np.array([row[:2] for row in ROWS])
    found = dataset.train.x
    np.testing.assert_allclose((found - found.mean(0)) / found.std(0), (x - x.mean(0)) / x.std(0))
    assert [dataset.classes[label] for label in dataset.train.labels] == [kind for _, _, kind in ROWS]
    assert any("decimal points" in note for note in table.notes) == (decimal == ",")
    assert any("read as a row" in note for note in table.notes) == (not header)


def test_thousands_are_numbers_and_dates_are_said_to_be_unused(read):
    rows = "".join(f'"{n},250",2026-01-{n:02},{n % 2}\n' for n in range(1, 29))
    table = read("pay,day,y\n" + rows)
    notes = " ".join(table.notes)
    assert "1,250" in notes and "1250" in notes
    assert "pay" in table.path.read_text(encoding="utf-8").splitlines()[0]


def test_numbers_to_predict_are_scaled_and_the_note_says_how(read):
    table = read("x,height\n" + "".join(f"{n},{100 + 50 * np.sin(n):.3f}\n" for n in range(50)))
    targets = read_table(table.path, table.target).train.targets
    assert abs(targets.mean()) < 1e-9 and targets.std() == pytest.approx(1)
    assert any("'height' is scaled" in note for note in table.notes)


def test_rows_without_a_target_are_left_out_and_counted(read):
    table = read("x,y\n1,a\n2,\n3,b\n")
    assert table.rows == 2 and table.notes == ["left out: 1 row without a value of 'y'"]


def test_huge_tables_are_refused_by_their_size(read, monkeypatch):
    monkeypatch.setattr(own_table, "MAX_CELLS", 1000)
    assert read("x,y\n" + "1,0\n" * 500).rows == 500
    with refuses("1,002", "1,000"):
        read("x,y\n" + "1,0\n" * 501)


@pytest.mark.slow
def test_pasted_rows_learn_as_the_same_file_does(tmp_path):
    random = np.random.default_rng(0)
    age, income = random.uniform(18, 80, 200), random.uniform(10_000, 90_000, 200)
    buys = np.where(age / 80 + income / 90_000 > 1, "yes", "no")
    text = "age,income,buys\n" + "".join(f"{a:.0f},{b:.0f},{c}\n" for a, b, c in zip(age, income, buys, strict=True))
    (tmp_path / "mine.csv").write_text(text, encoding="utf-8")
    opened, pasted = open_session(tmp_path / "mine.csv", "buys"), open_session()
    pasted.command("own-data", {"csv": text, "target": ""})
    for session in (opened, pasted):
        session.command("step", {"updates": 400})
        assert np.median(session.workbench.moment.values["accuracy"]) > 0.95
        session.close()


def test_messages_about_pasted_rows_name_no_folder(tmp_path):
    session = open_session()
    with pytest.raises(BadInput, match="your table") as refused:
        session.command("own-data", {"csv": "x,y\n1,\n2,\n", "target": ""})
    assert str(tmp_path.parent.parent) not in str(refused.value) and "deltarule-play" not in str(refused.value)
    session.command("own-data", {"csv": "x;y\n0,5;a\n1,5;b\n", "target": ""})
    notes = session.settings()["notes"]
    assert notes and not any("deltarule-play" in note for note in notes)
    session.close()
