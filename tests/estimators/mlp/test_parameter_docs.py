import inspect
import re

import pytest

from deltarule import MLPClassifier, MLPRegressor


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_docstring_has_every_parameter_in_order_with_its_default(kind):
    section = kind.__doc__.partition("Parameters\n----------\n")[2].partition("\nAttributes\n")[0]
    documented = re.findall(r"^(\w+) : .*, default=(.*)$", section, re.MULTILINE)
    signature = inspect.signature(kind).parameters.values()
    assert [(name, eval(default)) for name, default in documented] == [(p.name, p.default) for p in signature]


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_docstring_has_every_public_attribute_of_a_fit(kind):
    model = kind((2,), max_iter=1) if kind is MLPClassifier else kind(hidden_layer_sizes=(2,), max_iter=1)
    with pytest.warns(UserWarning):
        model.fit([[0.0], [1.0]], [0, 1])
    section = kind.__doc__.partition("\nAttributes\n")[2].partition("\nRaises\n")[0]
    for name in vars(model):
        if name.endswith("_") and not name.startswith("_"):
            assert re.search(rf"^(\w+_, )?{name}\b.* : ", section, re.MULTILINE), name
