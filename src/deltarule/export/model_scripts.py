"""Export a fitted estimator as one Python file that needs NumPy only, or builds an `nn.Sequential` of PyTorch.

The formulas are the source of `maths` itself, and the encoding of tables is included. All arithmetic is in float64.

K members · D inputs · H units
"""

from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import numpy as np

from deltarule.errors import BadInput
from deltarule.estimators.mlp.base import BaseMLP
from deltarule.estimators.mlp.classifier import MLPClassifier
from deltarule.estimators.mlp.regressor import MLPRegressor
from deltarule.estimators.tabular.tabular import BaseTabular
from deltarule.export.script_parts import UNPACK_FUNCTION, ScriptArrays, assemble_script, extract_sources, import_lines
from deltarule.export.torch_modules import check_answers, to_torch
from deltarule.maths.activations import ACTIVATIONS
from deltarule.maths.network import BATCH_NORM_EPSILON
from deltarule.tables.category_matching import SURELY_DECIMAL, TIME, TRUTHS, naming_of
from deltarule.tables.cell_parsing import MISSING
from deltarule.tables.column_encoder import FARTHEST, UNUSED, Column, takes_truths

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
    """Write a fitted estimator as a script that needs NumPy only and predicts the rows of a CSV file.

    Parameters: `model`, an estimator of deltarule.
    Returns: the script.
    Errors: `BadInput` for a subclass with predictions of its own, and for a custom activation.

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
    arrays, functions = ScriptArrays(np.dtype(np.float64)), []
    forward, assigned = [], []
    parameters, running = inner._arrays()
    weights = {
        name: np.asarray(array, np.float64).reshape(inner._members, *array.shape[-2:])
        for name, array in {**parameters, **running}.items()
    }
    value = "x"
    for layer in inner._architecture.network().layers:
        n, function = layer.number, layer.activation.function
        if layer.activation.name not in ACTIVATIONS:
            raise BadInput(f"the activation '{layer.activation.name}' is one of your own, which no script can hold")
        expression = f"{value} @ W{n} + b{n}"
        layer_arrays = {"W": weights[f"W{n}"], "b": weights[f"b{n}"]}
        if layer.batch_norm:
            layer_arrays["gain"] = weights[f"gamma{n}"] / np.sqrt(weights[f"variance{n}"] + BATCH_NORM_EPSILON)
            layer_arrays["shift"] = weights[f"beta{n}"] - weights[f"mean{n}"] * layer_arrays["gain"]
            expression = f"({expression}) * gain{n} + shift{n}"
        for name, array in layer_arrays.items():
            assigned.append(_reshaped_array_statement(arrays, f"{name}{n}", array))
        if layer.activation.name != "identity":
            functions.append(function)
            numbers = "".join(f", {name}={number!r}" for name, number in layer.activation.parameters.items())
            expression = f"{function.__name__}({expression}{numbers})"
        forward.append(f"    a = {expression}")
        value = "a"
    network = ["def network(x):", '    "The outputs, each member\'s and then their mean: [N, C]."', *forward]
    sources, needed = extract_sources(list(dict.fromkeys(functions)), np.dtype(np.float64))
    modules = ["csv", "io", "os", "sys", *(["re"] if isinstance(model, BaseTabular) else [])]
    parts = [
        "\n".join([*_title(model, "NumPy"), *import_lines(arrays, sources, needed, modules)]) + _encoder(model),
        *([UNPACK_FUNCTION] if arrays.has_packed else []),
        "\n".join(assigned),
        *sources,
        "\n".join([*network, "    return a.mean(axis=0)"]),
        _decode_function(inner),
        PREDICT,
    ]
    return assemble_script(parts, arrays)


def torch_script(model: Any, member: int = 0) -> str:
    """Write a fitted estimator's network as a file that builds the `nn.Sequential` of `to_torch`.

    Its outputs are probabilities, or numbers as `predict` returns them.

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
    arrays, assigned, state = ScriptArrays(np.dtype(np.float64)), [], []
    for index, (name, tensor) in enumerate(module.state_dict().items()):
        if tensor.ndim:  # the scalar is batch norm's count of batches
            array = tensor.double().numpy()
            assigned.append(arrays.assignment(f"array{index}", array.reshape(-1, array.shape[-1])))
            state.append(f'    "{name}": torch.tensor(array{index}{"" if array.ndim == 2 else "[0]"}),')
    libraries, has_table = ["import torch", "from torch import nn"], isinstance(model, BaseTabular)
    imports = import_lines(arrays, [], [], ["re"] if has_table else [], libraries=libraries)
    parts = [
        "\n".join([*_title(model, "PyTorch and NumPy"), *imports]) + (_encoder(model) if has_table else ""),
        *([UNPACK_FUNCTION] if arrays.has_packed else []),
        "\n".join(
            ["module = nn.Sequential()"]
            + [f'module.add_module("{name}", nn.{layer!r})' for name, layer in module.named_children()]
            + ["module.double().eval()"]
        ),
        "\n".join(assigned),
        "\n".join(["state = {", *state, "}", "module.load_state_dict(state, strict=False)"]),
    ]
    return assemble_script(parts, arrays)


def _reshaped_array_statement(arrays: ScriptArrays, name: str, array: Any) -> str:
    """The statements for an array [K, D, H], which is written as [K D, H]."""
    flat = arrays.assignment(name, array.reshape(-1, array.shape[-1]))
    return f"{flat}\n{name} = {name}.reshape{array.shape}"


def _title(model: Any, libraries: str) -> list[str]:
    written = f"as deltarule {version('deltarule')} wrote it; it needs {libraries} alone."
    return [f'"""A {type(model).__name__} {written}"""', ""]


def _encoder(model: Any) -> str:
    """The functions that make the network's inputs from the cells of a table, and their constants."""
    if not isinstance(model, BaseTabular):
        names = [str(name).strip() for name in getattr(model, "feature_names_in_", ())]
        encode = ENCODE_NUMBERS.replace("{inputs}", str(model.n_features_in_))
        return f"\n\nFEATURES = {names!r}\n\n\n{READING}\n\n\n{encode}"
    columns = [f"    {_column_record(column)!r}," for column in model.columns_ if column.kind != UNUSED]
    constants = [
        f"FARTHEST = {FARTHEST!r}",
        f"MISSING = {sorted(MISSING)!r}",
        f"TRUTHS = {TRUTHS!r}",
        f"SURELY_DECIMAL = {SURELY_DECIMAL.pattern!r}",
        f"TIME = {TIME.pattern!r}",
        *("COLUMNS = [", *columns, "]"),
    ]
    return "\n\n" + "\n".join(constants) + f"\n\n\n{READING}\n\n\n{ENCODE}"


def _check_classes(model: BaseMLP) -> None:
    kind = getattr(model, "classes_", np.zeros(0)).dtype.kind
    if kind in "mM":
        raise BadInput("the classes are dates or durations, which a script does not hold; make texts of them")


def _column_record(column: Column) -> dict[str, Any]:
    """A column for the script, and how its categories may be written."""
    naming = naming_of(column.categories)
    truths = naming.truths or takes_truths(column)
    forms = {"numbers": naming.numbers, "truths": truths, "commas": naming.commas, "forms": dict(naming.forms)}
    return asdict(column) | forms | {"held": column.clip_range}


def _decode_function(model: BaseMLP) -> str:
    """The function that converts outputs to predictions."""
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
