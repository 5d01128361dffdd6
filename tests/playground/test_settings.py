import pytest

from deltarule.maths.optimizers import OPTIMIZERS
from deltarule.maths.schedules import SCHEDULES
from deltarule.playground.settings import catalog


@pytest.mark.parametrize(
    ("key", "formula"),
    [("optimizer.name", one) for one in OPTIMIZERS.values()]
    + [("optimizer.schedule", one) for one in SCHEDULES.values() if one.name != "adaptive"],
    ids=lambda value: getattr(value, "name", ""),
)
def test_parameters_of_formulas(session, key, formula):
    session.command("change", {"settings": {key: {"name": formula.name}}})
    record, table = session.settings()["values"][key], catalog()
    known = table["parameters"][key][formula.name]
    assert {name: default for name, (default, _) in known.items()} == dict(formula.parameters)
    for name in known:
        value = 1 if name == "at_start" else 0.9 * formula.parameters[name] + 0.1
        session.command("change", {"settings": {key: {**record, name: value}}})
        problem = session.workbench.moment.problem
        numbers = problem.numbers if key == "optimizer.name" else problem.schedule_numbers
        assert numbers[name].tolist() == [value] * 3
        assert known[name][1].startswith(f"A parameter of {formula.name}: ")


def test_data_options(session):
    options = {name: default for name, (default, _) in catalog()["parameters"]["data.name"]["checkerboard"].items()}
    assert options == {"samples": 300, "noise": 0.0, "seed": 0, "squares": 2}
    session.command("change", {"settings": {"data.name": {"name": "checkerboard", "samples": 80, "squares": 3}}})
    assert len(session.workbench.moment.dataset.train) == 80
