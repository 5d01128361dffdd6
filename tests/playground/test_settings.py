import pytest

from deltarule.data.load import LOADERS
from deltarule.data.published import PUBLISHED
from deltarule.maths.optimizers import OPTIMIZERS
from deltarule.maths.schedules import SCHEDULES


@pytest.mark.parametrize(
    ("key", "formula"),
    [("optimizer.name", one) for one in OPTIMIZERS.values()]
    + [("optimizer.schedule", one) for one in SCHEDULES.values() if one.name != "adaptive"],
    ids=lambda value: getattr(value, "name", ""),
)
def test_parameters_of_formulas(session, key, formula):
    session.command("change", {"settings": {key: formula.name}})
    settings = session.settings()
    parameters = {one["name"].replace(" ", "_"): one for one in settings["parameters"][key]}
    assert {name: one["value"] for name, one in parameters.items()} == dict(formula.parameters)
    assert settings["equations"][key]
    for name, one in parameters.items():
        value = 1 if name == "at_start" else 0.9 * formula.parameters[name] + 0.1
        session.command("change", {"settings": {one["key"]: value}})
        problem = session.workbench.moment.problem
        numbers = problem.numbers if key == "optimizer.name" else problem.schedule_numbers
        assert numbers[name].tolist() == [value] * 3
        assert one["help"].startswith(f"A parameter of {formula.name}: ")


def test_data_options(session):
    session.command("change", {"settings": {"data.name": "checkerboard"}})
    options = {one["key"]: one["value"] for one in session.settings()["parameters"]["data.name"]}
    assert options == {"data.name.samples": 300, "data.name.noise": 0.0, "data.name.seed": 0, "data.name.squares": 2}
    session.command("change", {"settings": {"data.name.samples": 80, "data.name.squares": 3}})
    assert len(session.workbench.moment.dataset.train) == 80
    session.command("change", {"settings": {"data.name": "iris"}})
    assert session.settings()["parameters"]["data.name"] == []


def test_data_sets_offered_are_those_that_need_no_file(session):
    offered = session.settings()["choices"]["data.name"]
    assert set(LOADERS) - set(offered) == {"linear", "diabetes", *PUBLISHED}
