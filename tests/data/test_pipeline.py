import re

import numpy as np
import pytest

from deltarule.data.bundled import load_bundled
from deltarule.data.pipeline import data_file, prepare_dataset
from deltarule.errors import BadInput, RunFailed
from deltarule.problem.configuration import parse
from deltarule.training.populations import problem_of_seeds

TABLE = {
    "data": {"name": "mnist", "offline": "digits"},
    "network": {"layers": ["auto", "auto"]},
    "stopping": {"max_steps": 1},
}


pytestmark = pytest.mark.usefixtures("offline")


def test_the_offline_default_takes_the_place_and_says_so(tmp_path):
    dataset = prepare_dataset(parse(TABLE), tmp_path)
    assert dataset.name == "digits" and dataset.digest == load_bundled("digits").digest
    assert "mnist is not on this machine and could not be downloaded, so this is digits" in dataset.remark
    assert dataset.remark in problem_of_seeds([parse(TABLE)], dataset).notes


def test_nothing_takes_the_place_of_data_whose_folder_is_named(tmp_path, monkeypatch):
    folder = tmp_path / "named" / "mnist"
    folder.mkdir(parents=True)
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.xz"):
        with pytest.raises(BadInput, match=f"^{re.escape(str(folder.parent))} lacks {name.partition('.')[0]} of mnist"):
            prepare_dataset(parse(TABLE), tmp_path, folder.parent)
        (folder / name).touch()
    monkeypatch.setenv("DELTARULE_DATA", str(tmp_path))
    with pytest.raises(RunFailed, match="could not be downloaded"):
        prepare_dataset(parse(TABLE), tmp_path)


def test_copies_are_made_of_the_rows_that_are_left_and_components_of_both(tmp_path):
    data = {"name": "digits", "split": {"validation": 97, "test": 200}}
    plain = prepare_dataset(parse({**TABLE, "data": data}), tmp_path)
    mirrored = prepare_dataset(parse({**TABLE, "data": {**data, "mirrored": True}}), tmp_path)
    turned = prepare_dataset(parse({**TABLE, "data": {**data, "mirrored": True, "components": 20}}), tmp_path)
    assert {part: len(rows) for part, rows in mirrored.parts.items()} == {"train": 3000, "validation": 97, "test": 200}
    np.testing.assert_array_equal(mirrored.train.x[:1500], plain.train.x)
    np.testing.assert_array_equal(mirrored.parts["validation"].x, plain.parts["validation"].x)
    assert {rows.x.shape[1] for rows in turned.parts.values()} == {20}
    np.testing.assert_allclose(turned.train.x.T @ turned.train.x / 3000, np.eye(20), atol=1e-9)


def test_a_file_is_looked_for_in_the_named_folder_then_beside_the_recipe_then_in_the_current_one(tmp_path, monkeypatch):
    """Data of the same name elsewhere never take the place of the recipe's own."""
    configuration = parse({**TABLE, "data": {"file": "own.csv", "target": "y"}})
    places = [tmp_path / name / "own.csv" for name in ("named", "recipe", "current")]
    for place in places:
        place.parent.mkdir()
        place.write_text("x,y\n1,0\n2,1\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path / "current")
    found = []
    for place in places:
        found.append(data_file(configuration.data, tmp_path / "recipe", tmp_path / "named"))
        place.unlink()
    assert found == places
    for place in places[1:]:
        place.touch()
    assert data_file(configuration.data, tmp_path / "recipe") == places[1]
