"""A fitted estimator as one Python file that stands by itself: on NumPy, or a plain `nn.Sequential` of PyTorch.

The NumPy formulas are the source of `maths` itself; what is made of a table is written out too. Everything is reckoned
in float64.    K members · D inputs · H units
"""

from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import numpy as np

from deltarule.data.category_matching import SURELY_DECIMAL, TIME, TRUTHS, naming_of
from deltarule.data.cell_parsing import MISSING
from deltarule.errors import BadInput
from deltarule.estimators.mlp.base import BaseMLP
from deltarule.estimators.mlp.classifier import MLPClassifier
from deltarule.estimators.mlp.regressor import MLPRegressor
from deltarule.estimators.tabular.column_encoder import FARTHEST, UNUSED, Column, takes_truths
from deltarule.estimators.tabular.tabular import BaseTabular
from deltarule.export.torch_modules import check_answers, to_torch
from deltarule.export.training_script.arrays import UNPACK_FUNCTION, Arrays
from deltarule.export.training_script.sources import extract_sources
from deltarule.maths.activations import ACTIVATIONS
from deltarule.maths.network import BATCH_NORM_EPSILON

READING = '''
def number_of(cell, name):
    """A cell as a number, nan where it says so."""
    try:
        number = float(cell.replace("_", "?"))  # 1_0 is a code, and no 10
    except ValueError:
        number = np.inf
    if np.isinf(number):
        raise ValueError(f"the column {name!r} holds {cell!r}, where the model needs a number; correct it")
    return number


def check_columns(rows, names):
    """Say which columns a table lacks."""
    lacking = [name for name in names if rows and name not in rows[0]]
    if lacking:
        raise ValueError(f"the table lacks {', '.join(lacking)}; give one with these columns, separated by commas")
'''.strip()

ENCODE = '''
def encode(rows):
    """The network's inputs, from rows of texts by column, as csv.DictReader reads them."""
    check_columns(rows, [column["name"] for column in COLUMNS])
    return np.array([[value for column in COLUMNS for value in inputs_of(column, row)] for row in rows])


def inputs_of(column, row):
    """What becomes of a cell: a standardized number, or a 1 for its category."""
    cell = row[column["name"]].strip()
    cell = "" if cell in MISSING else cell
    if column["kind"] == "category":
        if cell not in column["categories"]:
            cell = name_of(cell, column)
        return [float(cell == one) for one in column["categories"]]
    cell = TRUTHS.get(cell.lower(), cell) if column["truths"] else cell
    value = number_of(cell or "nan", column["name"])
    is_gap = bool(np.isnan(value))
    low, high = column["held"]
    held = min(max(column["fill"] if is_gap else value, low), high)
    standardized = (held - column["mean"]) / column["scale"]
    if abs(standardized) > FARTHEST:
        raise ValueError(f"the column {column['name']!r} holds {cell!r}, too large a number beside others; correct it")
    return [standardized, float(is_gap)] if column["gaps"] else [standardized]


def name_of(cell, column):
    """A category as other programs may write it: 2.0 for 2, TRUE for True, a day at midnight, a time with zeros."""
    if column["commas"] and "," in cell:  # 1,2 and 1,20 may be answers
        return cell
    form = cell.strip()
    if column["truths"]:
        form = TRUTHS.get(form.lower(), form)
    if column["numbers"]:
        form = as_number(form)
    elif found := re.fullmatch(TIME, re.sub("Z$", "+00", form)):
        day, clock, fraction, hours, minutes = found.groups("")
        zone = hours and f"{hours}:{minutes or '00'}"
        form = f"{day} {clock}{fraction.rstrip('0').rstrip('.')}{zone}".strip()
        form = day if form == f"{day} 00:00:00" else form
    return column["forms"].get(form, cell)


def as_number(cell):
    """2.0 and 2,0 as 2, where categories are called by numbers; but 1,500 may mean thousands."""
    cell = cell.replace(",", ".") if re.fullmatch(SURELY_DECIMAL, cell) else cell
    try:
        number = float(cell.replace("_", "?"))
    except ValueError:
        return cell
    if not abs(number) < 2**53:
        return cell
    return str(int(number)) if number.is_integer() else repr(number)
'''.strip()

ENCODE_NUMBERS = '''
def encode(rows):
    """The network's inputs, from rows of texts: by the names of columns where these are known, else in their order."""
    names = FEATURES or list(rows[0] if rows else [])
    check_columns(rows, names)
    if rows and len(names) != {inputs}:
        raise ValueError(f"the table has {len(names)} columns, the network {inputs} inputs; give one for each")
    x = np.array([[number_of(row[name], name) for name in names] for row in rows])
    if np.isnan(x).any():
        raise ValueError("a number is missing; fill it, or leave the row out")
    return x
'''.strip()

PREDICT = '''
def predict(x):
    """The answer to each row of x [N, D]."""
    return decoded(network(np.asarray(x, float)))


def read(path):
    """The rows of a CSV file: texts by the names of their columns."""
    csv.field_size_limit(2**31 - 1)
    with open(path, encoding="utf-8-sig", newline="") as file:
        reader, rows = csv.reader(file, strict=True), []
        lines = (row for row in reader if len(row) > 1 or "".join(row).strip())
        header = next(lines, [])
        told = ",".join(header).strip().lower()
        if told == "sep=,":  # as Excel has it
            header = next(lines, [])
        elif told.startswith("sep=") and len(told) <= len("sep=;"):
            raise ValueError("its first line says that no commas separate the columns; save it with these")
        header = [name.strip() for name in header]
        if len(header) > 1 and not header[0]:  # as pandas calls it
            further = [f"Unnamed: 0.{number}" for number in range(1, len(header))]
            header[0] = next(name for name in ["Unnamed: 0", *further] if name not in header)
        if len(set(header)) < len(header):
            raise ValueError("two columns have the same name; give each a name of its own")
        for row in reader:
            if len(row) == len(header):
                rows.append(dict(zip(header, row)))
            elif "".join(row).strip() or len(row) > 1:
                raise ValueError(f"line {reader.line_num} and the header differ in their number of cells; correct it")
    if not rows:
        raise ValueError("it has no rows; add some below a line that names the columns")
    return rows


def main():
    """Print the answer to each row of the table that is named."""
    if len(sys.argv) != 2:
        return "give one table: python THIS_FILE TABLE.csv"
    try:
        x = encode(read(sys.argv[1]))
    except OSError as error:
        return f"{sys.argv[1]} cannot be read: {error.strerror}; name another file"
    except UnicodeDecodeError:
        return f"{sys.argv[1]} is not text in UTF-8; save the table in UTF-8"
    except (ValueError, csv.Error) as error:
        return f"{sys.argv[1]}: {error}"
    sys.stdout.reconfigure(encoding="utf-8")
    try:
        for answer in predict(x):
            print(quoted(answer) if isinstance(answer, str) else answer)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read the answers has enough of them; Python would complain again at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def quoted(text):
    """A text as a record of a CSV file with one cell; it may have several lines."""
    cell = io.StringIO()
    csv.writer(cell).writerow([text])
    return cell.getvalue().removesuffix("\\r\\n")


if __name__ == "__main__":
    told = main()
    if told:
        print(told, file=sys.stderr)
        sys.exit(2)
'''.strip()


def numpy_script(model: Any) -> str:
    """Write a fitted estimator as a script that needs NumPy alone, and answers the rows of a CSV file.

    Parameters: `model`, an estimator of deltarule.
    Returns: the script.
    Errors: `BadInput` for a subclass whose answers are its own, and for an activation of one's own.

    >>> from deltarule import MLPRegressor
    >>> model = MLPRegressor(hidden_layer_sizes=(), solver="lbfgs", random_state=0).fit([[0.0], [1.0]], [1.0, 3.0])
    >>> script = numpy_script(model)
    >>> print(script[script.index("def network") : script.index("def decoded")].rstrip())
    def network(x):
        "The outputs, each member's and then their mean: [N, C]."
        a = x @ W1 + b1
        return a.mean(axis=0)
    """
    check_answers(model, "deltarule", ["predict", "predict_proba"])
    inner: BaseMLP = model.model_ if isinstance(model, BaseTabular) else model
    _check_classes(inner)
    arrays, functions = Arrays(np.dtype(np.float64)), []
    forward, assigned = [], []
    parameters, running = inner._arrays()
    every = {
        name: np.asarray(array, np.float64).reshape(inner._members, *array.shape[-2:])
        for name, array in {**parameters, **running}.items()
    }
    value = "x"
    for layer in inner._architecture.network().layers:
        n, function = layer.number, layer.activation.function
        if layer.activation.name not in ACTIVATIONS:
            raise BadInput(f"the activation '{layer.activation.name}' is one of your own, which no script can hold")
        told = f"{value} @ W{n} + b{n}"
        given = {"W": every[f"W{n}"], "b": every[f"b{n}"]}
        if layer.batch_norm:
            given["gain"] = every[f"gamma{n}"] / np.sqrt(every[f"variance{n}"] + BATCH_NORM_EPSILON)
            given["shift"] = every[f"beta{n}"] - every[f"mean{n}"] * given["gain"]
            told = f"({told}) * gain{n} + shift{n}"
        for name, array in given.items():
            assigned.append(_reshaped_array_statement(arrays, f"{name}{n}", array))
        if layer.activation.name != "identity":
            functions.append(function)
            numbers = "".join(f", {name}={number!r}" for name, number in layer.activation.parameters.items())
            told = f"{function.__name__}({told}{numbers})"
        forward.append(f"    a = {told}")
        value = "a"
    network = ["def network(x):", '    "The outputs, each member\'s and then their mean: [N, C]."', *forward]
    sources, needed = extract_sources(list(dict.fromkeys(functions)), np.dtype(np.float64))
    parts = [
        _head(
            model,
            arrays,
            ["csv", "io", "os", "sys", *(["math"] if any("math.erf" in one for one in sources) else [])],
            needed,
        ),
        "\n".join(assigned),
        *sources,
        "\n".join([*network, "    return a.mean(axis=0)"]),
        _decode_function(inner),
        PREDICT,
    ]
    return "\n\n\n".join(parts) + "\n" + arrays.packed_lines()


def torch_script(model: Any, member: int = 0) -> str:
    """Write a fitted estimator's network as a file that makes the plain `nn.Sequential` that `to_torch` makes, whose
    outputs are probabilities, or numbers as `predict` gives them.

    Parameters: `model`, an estimator of deltarule; `member`, which of its networks.
    Returns: the text of the file, which needs PyTorch and NumPy, and unpickles nothing.
    Errors: as of `to_torch`.

    >>> from deltarule import MLPRegressor
    >>> model = MLPRegressor(hidden_layer_sizes=(), solver="lbfgs", random_state=0).fit([[0.0], [1.0]], [1.0, 3.0])
    >>> script = torch_script(model)
    >>> [line for line in script.splitlines() if "add_module" in line]
    ['module.add_module("z1", nn.Linear(in_features=1, out_features=1, bias=True))']
    """
    module = to_torch(model, member)
    arrays, assigned, state = Arrays(np.dtype(np.float64)), [], []
    for place, (name, tensor) in enumerate(module.state_dict().items()):
        if tensor.ndim:  # the one without axes counts the batches that batch norm has seen
            array = tensor.double().numpy()
            assigned.append(arrays.assignment(f"array{place}", array.reshape(-1, array.shape[-1])))
            state.append(f'    "{name}": torch.tensor(array{place}{"" if array.ndim == 2 else "[0]"}),')
    parts = [
        _head(model, arrays, [], [], torch=True),
        "\n".join(
            ["module = nn.Sequential()"]
            + [f'module.add_module("{name}", nn.{one!r})' for name, one in module.named_children()]
            + ["module.double().eval()"]
        ),
        "\n".join(assigned),
        "\n".join(["state = {", *state, "}", "module.load_state_dict(state, strict=False)"]),
    ]
    return "\n\n\n".join(parts) + "\n" + arrays.packed_lines()


def _reshaped_array_statement(arrays: Arrays, name: str, array: Any) -> str:
    """The statement for an array [K, D, H], which is written as [K D, H]."""
    flat = arrays.assignment(name, array.reshape(-1, array.shape[-1]))
    return f"{flat}\n{name} = {name}.reshape{array.shape}"


def _head(model: Any, arrays: Arrays, modules: list[str], from_numpy: list[str], torch: bool = False) -> str:
    """What a file begins with: what it is, its imports, and what is made of a table."""
    libraries = "PyTorch and NumPy" if torch else "NumPy"
    told = f'"""A {type(model).__name__} as deltarule {version("deltarule")} wrote it; it needs {libraries} alone."""'
    reading = ["re"] if isinstance(model, BaseTabular) else []
    modules = sorted({*modules, *reading, *(["base64", "zlib"] if arrays.has_packed else [])})
    lines = [told, "", *(f"import {one}" for one in modules)]
    lines += ["from pathlib import Path"] if arrays.has_packed else []
    lines += ["", "import numpy as np"]
    lines += ["import torch", "from torch import nn"] if torch else []
    lines += [f"from numpy import {', '.join(from_numpy)}"] if from_numpy else []
    text = "\n".join(lines)
    if isinstance(model, BaseTabular):
        columns = [f"    {_column_record(column)!r}," for column in model.columns_ if column.kind != UNUSED]
        constants = [f"FARTHEST = {FARTHEST!r}", f"MISSING = {sorted(MISSING)!r}", f"TRUTHS = {TRUTHS!r}"]
        constants += [f"SURELY_DECIMAL = {SURELY_DECIMAL.pattern!r}", f"TIME = {TIME.pattern!r}"]
        constants += ["COLUMNS = [", *columns, "]"]
        text += "\n\n" + "\n".join(constants) + f"\n\n\n{READING}\n\n\n{ENCODE}"
    elif not torch:
        names = [str(name).strip() for name in getattr(model, "feature_names_in_", ())]
        text += f"\n\nFEATURES = {names!r}"
        text += f"\n\n\n{READING}\n\n\n{ENCODE_NUMBERS.replace('{inputs}', str(model.n_features_in_))}"
    return text + (f"\n\n\n{UNPACK_FUNCTION}" if arrays.has_packed else "")


def _check_classes(model: BaseMLP) -> None:
    kind = getattr(model, "classes_", np.zeros(0)).dtype.kind
    if kind in "mM":
        raise BadInput("the classes are dates or durations, which a script does not hold; make texts of them")


def _column_record(column: Column) -> dict[str, Any]:
    """A column for the script, and how its categories may be written."""
    known = naming_of(column.categories)
    truths = known.truths or takes_truths(column)
    ways = {"numbers": known.numbers, "truths": truths, "commas": known.commas, "forms": dict(known.forms)}
    return asdict(column) | ways | {"held": column.clip_range}


def _decode_function(model: BaseMLP) -> str:
    """The function that makes answers of outputs."""
    if isinstance(model, MLPRegressor):
        scale = np.ones(1) if model.target_scale_ is None else model.target_scale_
        mean = np.zeros(1) if model.target_mean_ is None else model.target_mean_
        single = "[:, 0]" if model.n_outputs_ == 1 else ""
        body = f"return (a * np.array({scale.tolist()}) + np.array({mean.tolist()})){single}.tolist()"
        return f'def decoded(a):\n    "Numbers from outputs."\n    {body}'
    assert isinstance(model, MLPClassifier)
    if model._labels:
        return 'def decoded(a):\n    "Labels from outputs."\n    return (a > 0.5).astype(int).tolist()'
    place = "a.argmax(axis=1)" if model.n_outputs_ > 1 else f"np.minimum(a[:, 0] > 0.5, {len(model.classes_) - 1})"
    return (
        f'CLASSES = {model.classes_.tolist()!r}\n\n\ndef decoded(a):\n    "Classes from outputs."\n'
        f"    return [CLASSES[place] for place in {place}]"
    )
