"""Write a page that trains by itself, in one file.

N rows · D inputs
"""

import base64
import hashlib
import inspect
import json
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from deltarule.data.dataset import Dataset
from deltarule.data.load import LOADERS, load
from deltarule.data.pipeline import data_file, name_and_options
from deltarule.errors import BadInput
from deltarule.files import make_folder, write_whole
from deltarule.json_files import to_jsonable
from deltarule.playground.explained import explained_formulas
from deltarule.playground.page_bundle import bundle, layout, page_file
from deltarule.playground.rules import KNOWN, rules
from deltarule.playground.settings import catalog, described, list_stories
from deltarule.problem.configuration import parse_toml
from deltarule.problem.recipe_sections import changed_values
from deltarule.recipes import Recipe

NOISY = ("spirals", "circles", "clusters", "checkerboard", "hills")
FIXED = ("xor", "one_hot", "iris", "wine")
"""Data sets that every page has, beside those with noise."""
METRICS = ("accuracy", "thresholded", "r_squared")
"""Those of a criterion by which the page judges."""
MAX_OWN_NUMBERS = 20_000
"""Numbers of a data set of another name, which the page stores as text of 11 characters each."""


def write_page(recipe: Recipe, file: Path, hash: str = "") -> Path:
    """Write a page on which a recipe trains, without Python and without a network; an address without # has `hash`.

    Raises `BadInput` for a recipe that the page's engine cannot train.
    """
    script = bundle("alone.js")
    style = page_file("style.css")
    page = Template(page_file("alone.html")).substitute(
        title=f"deltarule: {recipe.name}".replace("<", ""),
        style=style,
        layout=layout(),
        style_digest=_base64(hashlib.sha256(style.encode()).digest()),
        script=script,
        script_digest=_base64(hashlib.sha256(script.encode()).digest()),
        experiment=json.dumps(to_jsonable({**_experiment(recipe), "hash": hash})).replace("<", "\\u003c"),
    )
    make_folder(file.absolute().parent)
    write_whole(file, page)
    return file


def _experiment(recipe: Recipe) -> dict[str, Any]:
    """What the page begins with, as own_source.js reads it."""
    data = {name: _noisy(name) for name in NOISY}
    data |= {name: _described(load(name), name) for name in FIXED}
    recipes = {
        story["name"]: _chosen(Recipe(story["name"], Path(), parse_toml(story["recipe"])), data)
        for story in list_stories()
    }
    return {
        **_chosen(recipe, data),
        "catalog": {**catalog(), "recipes": recipes},
        "data": data,
        "rules": rules(),
        "explained": explained_formulas(),
    }


def _chosen(recipe: Recipe, data: dict[str, Any]) -> dict[str, Any]:
    """The values and the grid of a recipe, whose points are added to the data."""
    criterion = recipe.configuration.study.criterion
    is_known = criterion is not None and criterion.name in METRICS and criterion.at_most is None
    for section in ("data", "network", "loss", "optimizer", "run"):
        for key, value in changed_values(getattr(recipe.configuration, section)).items():
            if f"{section}.{key}" not in KNOWN:
                raise BadInput(f"a page that trains by itself has no {section}.{key}; leave out {value!r}")
    told = described(recipe.configuration)
    key = _add_data(recipe, data)
    if recipe.configuration.data.file is not None:
        told["values"]["data.name"] = {"name": key}
    return {**told, "criterion": told["criterion"] if is_known else None}


def _add_data(recipe: Recipe, data: dict[str, Any]) -> str:
    """The key under which the page has the points of a recipe."""
    section = recipe.configuration.data
    name, options = name_and_options(section.name if section.file is None else section.file)
    usual = inspect.signature(LOADERS[name]).parameters if name in data else {}
    if name in data and all(usual[key].default == value for key, value in options.items() if key != "noise"):
        return name
    whole = load(data_file(section, recipe.folder) or name, section.target, **options)
    key = name if name not in data else " ".join([name, *(f"{key} {value}" for key, value in options.items())])
    data[key] = _described(whole, key) | {"source": {"name": name, **options} if section.file is None else None}
    return key


def _noisy(name: str) -> dict[str, Any]:
    """A data set as points without noise, and what noise 1 adds to them."""
    clean, noisy = load(name, noise=0.0), load(name, noise=1.0)
    usual = inspect.signature(LOADERS[name]).parameters["noise"].default
    answers = clean.train.answers.ravel()
    moved = noisy.train.answers.ravel()
    noise = noisy.train.x - clean.train.x if clean.classes else moved - answers
    return {**_described(clean, name), "noise": _encoded(noise), "usual_noise": usual}


def _described(dataset: Dataset, name: str) -> dict[str, Any]:
    if dataset.train.x.size > MAX_OWN_NUMBERS or dataset.train.answers.shape[1:] not in ((), (1,)):
        raise BadInput(f"{dataset.name} is too large for a page that trains by itself; play it with `deltarule play`")
    return {
        "name": name,
        "source": {"name": name},
        "features": list(dataset.features),
        "classes": list(dataset.classes),
        "x": _encoded(dataset.train.x),
        "noise": "",
        "usual_noise": None,
        "answers": dataset.train.answers.ravel().tolist(),
    }


def _encoded(numbers: np.ndarray) -> str:
    return _base64(np.ascontiguousarray(numbers, "<f8").tobytes())


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
