import numpy as np
import pytest
from refusals import refuses

from deltarule.errors import RunFailed
from deltarule.files import make_folder
from deltarule.json_files import write_json
from deltarule.recipes import dataset_of, load_recipe, with_settings
from deltarule.studies import run_records
from deltarule.studies.run_records import SUMMARY, load_run, write_records
from deltarule.studies.runner import outcome_of, population_of, run_population
from deltarule.training.checkpoint import problem_digest
from deltarule.training.train import train


def written(folder, study="encoder", **settings):
    given = {"run.seeds": [3, 2**63 + 1], "stopping.max_steps": 50, "run.history_every": 1}
    recipe = with_settings(load_recipe(study), {**given, **{key.replace("__", "."): v for key, v in settings.items()}})
    dataset = dataset_of(recipe)
    population = population_of(recipe, dataset)
    run = run_population(population, folder=make_folder(folder))
    write_records(folder, population, run)
    write_json(folder / SUMMARY, outcome_of(recipe, dataset, run))
    return run


SETTINGS = [
    {},
    {"optimizer__name": "momentum", "optimizer__momentum": 0.5},
    {"optimizer__name": {"name": "nesterov", "momentum": 0.5}},
    {"optimizer__schedule": {"name": "step", "every": 7, "per": "epoch"}, "optimizer__batch_size": 3},
    {"network__activation": {"name": "leaky_relu", "slope": 0.2}, "network__dropout": 0.1, "network__batch_norm": True},
    {"network__initializer": {"name": "normal", "std": 0.3, "biases": "same"}, "run__dtype": "float32"},
    {
        "data__name": {"name": "linear", "samples": 20},
        "data__split.validation": 5,
        "network__layers": ["auto", 3, "auto"],
    },
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_a_stored_run_is_that_of_the_command_and_goes_on(tmp_path, settings):
    run = written(tmp_path, **settings)
    before = (tmp_path / "checkpoint.safetensors").stat().st_mtime_ns
    loaded = load_run(tmp_path)
    assert problem_digest(loaded.problem) == problem_digest(run.problem)
    assert np.array_equal(loaded.state.theta, run.state.theta) and loaded.reasons == run.reasons
    for name in run.history.names:
        assert np.array_equal(loaded.history.series(name), run.history.series(name))
    assert (tmp_path / "checkpoint.safetensors").stat().st_mtime_ns == before
    longer = train(loaded.problem, start=loaded, max_steps=60)
    assert np.array_equal(longer.state.theta, train(run.problem, max_steps=60).state.theta)


def test_failed_overwrite_leaves_no_mixed_run(tmp_path, monkeypatch):
    written(tmp_path)
    assert (tmp_path / "run.json").is_file()

    def full(*given):
        raise RunFailed("the disk is full")

    monkeypatch.setattr(run_records, "save_arrays", full)
    with pytest.raises(RunFailed):
        written(tmp_path, run__seeds=[4])
    with refuses(tmp_path, "`deltarule run --out`"):  # and not the numbers of one beside the arrays of the other
        load_run(tmp_path)


def test_changed_data_are_noticed(tmp_path):
    rows = "\n".join(f"{a},{b},{'yes' if a != b else 'no'}" for a in (0, 1) for b in (0, 1))
    (tmp_path / "own.csv").write_text(f"a,b,both\n{rows}\n", encoding="utf-8")
    (tmp_path / "own.toml").write_text(
        '[data]\nfile = "own.csv"\ntarget = "both"\n[network]\nlayers = ["auto", 2, "auto"]\n'
        "[stopping]\nmax_steps = 5\n",
        encoding="utf-8",
    )
    written(tmp_path / "run", str(tmp_path / "own.toml"))
    with refuses("own.csv"):
        load_run(tmp_path / "run")
    load_run(tmp_path / "run", tmp_path)
    (tmp_path / "run" / "own.csv").write_text(f"a,b,both\n{rows}\n".replace("1,1", "5,1"), encoding="utf-8")
    with refuses("resume"):
        load_run(tmp_path / "run")
