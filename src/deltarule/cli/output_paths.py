"""What commands write: checked before any work, and never over what they read."""

import json
import os
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, get_type_hints

from deltarule.errors import BadInput
from deltarule.files import check_can_write

READERS: dict[str, Callable[[str], Any]] = {".toml": tomllib.loads, ".json": json.loads}
"""Of recipes and assignments, as people and as runs write them."""


@dataclass(frozen=True)
class Output:
    """Marks the option that names what a command writes, as in Annotated[Path, option(...), Output("page")].

    content    what is written there, in a word
    is_folder  whether it is a folder, in which the command chooses the names
    has_folder_made  whether the command makes the folder of a file
    """

    content: str
    is_folder: bool = False
    has_folder_made: bool = False


def check_outputs(command: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
    """Refuse outputs of a command that are its inputs, hold one, or cannot be written."""
    hints = get_type_hints(command, include_extras=True)
    written = [(name, mark) for name in arguments for mark in marks(hints[name]) if isinstance(mark, Output)]
    names = {name for name, _ in written}
    files = list(_inputs({name: value for name, value in arguments.items() if name not in names}))
    outputs: list[tuple[str, Path]] = []
    for name, output in written:
        path = arguments[name]
        if path is None:
            continue
        label = f"--{name.replace('_', '-')} {path}"
        if not output.is_folder:
            _check_file(label, path, output.content, files, outputs)
            if path.parent.is_dir() or not output.has_folder_made:
                check_can_write(path)
            outputs.append((label, path))
        elif path.exists():
            _check_folder(label, path, files)


def marks(hint: Any) -> tuple[Any, ...]:
    """The marks of a parameter that is annotated with some."""
    return getattr(hint, "__metadata__", ())


def _inputs(arguments: Mapping[str, Any]) -> Iterator[Path]:
    """The files and folders that arguments name, and the files that a recipe or assignment among them names."""
    folders = [Path(), *([arguments["data"]] if arguments.get("data") else [])]
    for name, value in arguments.items():
        for each in value if isinstance(value, list) else [value]:
            # A text may be a study's name, which a folder has, too; to --merge it is a folder.
            is_folder = (
                name != "data" and (isinstance(each, Path) or arguments.get("merge")) and _passes(Path.is_dir, each)
            )
            if is_folder or _passes(Path.is_file, each):
                yield Path(each)
                files = Path(each).iterdir() if is_folder else [Path(each)]
                recipes = [file for file in files if file.suffix.lower() in READERS and file.is_file()]
                yield from chain.from_iterable(_named_files(recipe, folders) for recipe in recipes)


def _passes(test: Callable[[Path], bool], value: Any) -> bool:
    with suppress(OSError, ValueError):  # a text may be too long for a path
        return isinstance(value, str | Path) and test(Path(value))
    return False


def _named_files(recipe: Path, folders: list[Path]) -> Iterator[Path]:
    """The files that are named anywhere in a recipe, and the solution that lies beside an assignment."""
    texts: list[Any] = ["solution.py"]
    with suppress(OSError, ValueError, RecursionError):  # what is wrong with it is said when it is read
        texts.append(READERS[recipe.suffix.lower()](recipe.read_text(encoding="utf-8")))
    while texts:
        value = texts.pop()
        if isinstance(value, dict | list):
            texts += value.values() if isinstance(value, dict) else value
        elif isinstance(value, str):
            yield from (folder / value for folder in [recipe.parent, *folders] if _passes(Path.is_file, folder / value))


def _check_file(label: str, path: Path, content: str, inputs: list[Path], outputs: list[tuple[str, Path]]) -> None:
    for other, its_path in outputs:
        if os.path.realpath(path).casefold() == os.path.realpath(its_path).casefold():
            raise BadInput(f"{label} and {other} are one file; give the {content} another name")
    for each in inputs if path.exists() else ():
        if path.samefile(each):
            raise BadInput(f"{label} is an input itself, {each}, and would be lost; give the {content} another name")
        if each.is_dir() and _contains(each, path):
            raise BadInput(f"{label} is a file of {each}, which is read; give the {content} another name")


def _check_folder(label: str, folder: Path, inputs: list[Path]) -> None:
    for each in inputs:
        if folder.samefile(each):
            raise BadInput(f"{label} is an input itself, {each}; name another folder")
        if _contains(folder, each):
            raise BadInput(f"{label} holds an input, {each}, which may be lost; name a folder of its own")


def _contains(folder: Path, path: Path) -> bool:
    """Whether a path, or what it links to, lies in a folder; the system compares, whatever names it takes for equal."""
    places = (Path(os.path.realpath(path)), Path(os.path.realpath(path.parent)) / path.name)
    return any(folder.samefile(parent) for place in places for parent in place.parents)
