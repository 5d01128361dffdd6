import numpy as np
import pytest

from deltarule.errors import BadInput, RunFailed
from deltarule.studies import run_records
from deltarule.studies.recipes import Population, dataset_of, load_recipe, problem_of, with_settings
from deltarule.studies.run_records import load_run, read_run, write_records, write_summary
from deltarule.studies.runner import outcome_of, population_of, run_population, train_population
from deltarule.training.checkpoint import problem_digest
from deltarule.training.train import train


def written(folder, study="encoder", **settings):
    given = {"run.seeds": [3, 2**63 + 1], "stopping.max_steps": 50, "run.history_every": 1}
    recipe = with_settings(load_recipe(study), {**given, **{key.replace("__", "."): v for key, v in settings.items()}})
    dataset = dataset_of(recipe)
    problem = problem_of(recipe, dataset)
    population = Population(recipe, dataset, problem, np.zeros(problem.members, np.int64))
    run = train_population(population)
    write_records(folder, population, run)
    write_summary(folder, outcome_of(recipe, dataset, run))
    return problem, run


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
def test_read_run_round_trip(tmp_path, settings):
    problem, run = written(tmp_path, **settings)
    stored = read_run(tmp_path)
    assert problem_digest(stored.problem) == problem_digest(problem)
    assert np.array_equal(stored.arrays["theta"], run.state.theta)
    losses = stored.losses(1)
    assert list(losses)[0] == 0 and list(losses)[-1] == 50 and len(losses) == 12
    for step, loss in losses.items():
        assert loss == run.history.objective[run.history.steps.index(step), 1]


def test_failed_overwrite_leaves_no_mixed_run(tmp_path, monkeypatch):
    written(tmp_path)
    assert (tmp_path / "run.json").is_file()

    def full(*given):
        raise RunFailed("the disk is full")

    monkeypatch.setattr(run_records, "save_arrays", full)
    with pytest.raises(RunFailed):
        written(tmp_path, run__seeds=[4])
    with pytest.raises(BadInput, match="holds no run"):  # and not the numbers of one beside the arrays of the other
        read_run(tmp_path)


def test_losses_end_with_the_member(tmp_path):
    _, run = written(tmp_path, optimizer__learning_rate=1e300, network__activation="relu", network__output="identity")
    assert (run.steps < 50).all()
    losses = read_run(tmp_path).losses(0)
    assert max(losses) <= run.steps[0] and all(map(np.isfinite, losses.values()))


def test_changed_data_are_noticed(tmp_path):
    rows = "\n".join(f"{a},{b},{'yes' if a != b else 'no'}" for a in (0, 1) for b in (0, 1))
    (tmp_path / "own.csv").write_text(f"a,b,both\n{rows}\n", encoding="utf-8")
    (tmp_path / "own.toml").write_text(
        '[data]\nfile = "own.csv"\ntarget = "both"\n[network]\nlayers = ["auto", 2, "auto"]\n'
        "[stopping]\nmax_steps = 5\n",
        encoding="utf-8",
    )
    written(tmp_path / "run", str(tmp_path / "own.toml"))
    with pytest.raises(BadInput, match=r"own\.csv"):
        read_run(tmp_path / "run")
    read_run(tmp_path / "run", tmp_path)
    (tmp_path / "run" / "own.csv").write_text(f"a,b,both\n{rows}\n".replace("1,1", "5,1"), encoding="utf-8")
    with pytest.raises(BadInput, match="the data are not those of the run in"):
        read_run(tmp_path / "run")


def test_a_loaded_run_is_that_of_the_command_and_goes_on(tmp_path):
    recipe = with_settings(load_recipe("encoder"), {"run.seeds": 2, "stopping.max_steps": 40})
    population = population_of(recipe, dataset_of(recipe))
    run = run_population(population, folder=tmp_path)
    write_records(tmp_path, population, run)
    write_summary(tmp_path, outcome_of(recipe, population.dataset, run))
    before = (tmp_path / "checkpoint.safetensors").stat().st_mtime_ns
    loaded = load_run(tmp_path)
    assert np.array_equal(loaded.state.theta, run.state.theta) and loaded.reasons == run.reasons
    for name in run.history.names:
        assert np.array_equal(loaded.history.series(name), run.history.series(name))
    assert (tmp_path / "checkpoint.safetensors").stat().st_mtime_ns == before
    longer = train(loaded.problem, start=loaded, max_steps=60)
    assert np.array_equal(longer.state.theta, train(run.problem, max_steps=60).state.theta)
