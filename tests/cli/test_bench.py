"""The whole benchmark, as quick as it gets: what it measures and compares, never how long it took."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deltarule.benchmarks.timing import MAKERS, TOLERANCES
from deltarule.benchmarks.workloads import ROWS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bench")


@pytest.fixture(scope="module")
def record(folder: Path) -> Any:
    # On a computer that does other things as well, two threads of OpenMP wait for one another most of the time.
    command = [sys.executable, "-m", "deltarule", "bench", "--quick", "--json", "--out", str(folder)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_rows_hold_every_contender_or_why_not(record: Any) -> None:
    assert {row["name"] for row in record["rows"]} == {
        name for name in ROWS if not name.startswith(("3072", "20-64", "64-128"))
    }
    for row in record["rows"]:
        names = [one["name"] for one in row["contenders"] if one["name"] not in ("SIMD C", "products alone")]
        assert sorted([*names, *row["left_out"]]) == sorted(MAKERS)
        assert all(row["left_out"].values())


def test_losses_are_the_same_and_all_are_timed(record: Any) -> None:
    for row in record["rows"]:
        for one in row["contenders"]:
            if one["name"] == "products alone":
                assert one["loss"] is None
            else:
                assert one["difference"] <= TOLERANCES[row["dtype"]], (row["name"], one["name"])
            spread = one["microseconds"]
            assert 0 < spread["least"] <= spread["median"] <= spread["most"] and one["updates"] >= 1


def test_floors_stand_beside_their_rows(record: Any) -> None:
    names = {row["name"]: {one["name"] for one in row["contenders"]} for row in record["rows"]}
    assert "products alone" in names["784-100-10"] & names["784-100-10-many"] & names["digits"]
    assert "SIMD C" in names["encoders"] or "C compiler" in record["rows"][1]["left_out"]["SIMD C"]


def test_processes_memory_and_curves(record: Any) -> None:
    named = {"help", "run encoder, first", "run encoder, compiled", "run encoder"}
    assert {one["name"] for one in record["processes"]} == named
    assert all(one["seconds"]["median"] > 0 for one in record["processes"])
    assert [one["row"] for one in record["memory"]] == ["encoders", "784-100-10-many"][: len(record["memory"])]
    assert [one["quantity"] for one in record["curves"]] == ["members", "hidden units", "batch"]
    assert record["quick"] is True and record["targets"] == []


def test_record_and_curves_are_written(record: Any, folder: Path) -> None:
    assert json.loads((folder / "bench.json").read_text(encoding="utf-8")) == record
    curves = {f"time-by-{name}.{kind}" for name in ("members", "hidden-units", "batch") for kind in ("svg", "png")}
    assert {path.name for path in folder.iterdir()} == {"bench.json", *curves}


def test_a_row_alone_is_shown(deltarule: Any) -> None:
    status, out, _ = deltarule("bench", "--quick", "--row", "encoder")
    assert status == 0 and "one 8-3-8" in out and "compiled" in out and "boundary" not in out


def test_an_unknown_row_gets_a_sentence(deltarule: Any) -> None:
    status, out, err = deltarule("bench", "--row", "nothing")
    assert status == 2 and out == "" and "there is no row 'nothing'; there are: encoder" in err
