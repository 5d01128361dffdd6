"""The public interface is what is kept of it: whoever changes it writes the files anew, and the change is in review.

python tests/interface/describe.py
"""

import builtins
import dis
import doctest
import inspect
import re
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from scripts import module_at

import deltarule

describe = module_at(Path(__file__).with_name("describe.py"))


@pytest.mark.slow
@pytest.mark.parametrize("part", describe.PARTS)
@pytest.mark.usefixtures("offline")  # fields of `data list` depend on the data sets that are here
def test_the_interface_is_the_one_that_is_kept(part: str) -> None:
    kept = describe.stored(part).read_text(encoding="utf-8")
    assert describe.PARTS[part]() == kept, "if this is meant, run: python tests/interface/describe.py"


def test_nothing_is_kept_that_is_described_no_more() -> None:
    assert {path.stem for path in Path(__file__).parent.glob("*.txt")} == set(describe.PARTS)


@pytest.mark.parametrize(("function", "most"), [(deltarule.train, 17), (deltarule.create_problem, 23)])
def test_functions_have_few_options(function: Callable[..., object], most: int) -> None:
    kinds = [parameter.kind for parameter in inspect.signature(function).parameters.values()]
    assert kinds.count(inspect.Parameter.KEYWORD_ONLY) <= most


@pytest.mark.parametrize("name", deltarule.__all__)
def test_examples_of_a_docstring_run_as_pasted(name: str) -> None:
    """What they use is imported or made in them; that they run, their doctests say."""
    examples = doctest.DocTestParser().get_examples(getattr(deltarule, name).__doc__ or "")
    code = compile("".join(one.source for one in examples), name, "exec")
    assert set(names_looked_up(code)) - set(made_in(code)) <= set(dir(builtins))


def names_looked_up(code: types.CodeType) -> Iterator[str]:
    """The global names that code uses, functions within it included."""
    used = [one for one in dis.get_instructions(code) if one.opname in ("LOAD_NAME", "LOAD_GLOBAL")]
    yield from (one.argval for one in used)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from names_looked_up(constant)


def made_in(code: types.CodeType) -> Iterator[str]:
    """The names that code binds at its top."""
    return (one.argval for one in dis.get_instructions(code) if one.opname == "STORE_NAME")


@pytest.mark.needs("numpydoc")
@pytest.mark.parametrize("name", deltarule.__all__)
def test_a_docstring_describes_every_parameter_field_and_result(name: str) -> None:
    from numpydoc.validate import validate

    complaints = dict(validate(f"deltarule.{name}")["errors"])
    assert {code: complaints[code] for code in ("GL08", "PR01", "PR02", "RT01") if code in complaints} == {}


@pytest.mark.parametrize("name", [name for name in deltarule.__all__ if inspect.isclass(getattr(deltarule, name))])
def test_a_docstring_of_a_method_names_every_parameter(name: str) -> None:
    for _, method in describe.functions_of(getattr(deltarule, name)):
        parameters = set(inspect.signature(method).parameters) - {"self", "cls"}
        words = set(re.findall(r"\w+", method.__doc__ or ""))
        assert words and parameters <= words, f"{method.__qualname__}: {parameters - words}"
