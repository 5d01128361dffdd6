"""Explain errors in a recipe in one sentence: the key, its value, and what is allowed."""

import json
import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from deltarule.errors import BadInput

MAX_SHOWN_CHARACTERS = 80
"""Characters of a value that a message repeats."""


def explain_error(error: ValidationError, model: type[BaseModel]) -> str:
    """Describe the first error that pydantic found, and how many more there are.

    Parameters: `model` that was validated; its fields' descriptions say what is allowed.

    >>> from pydantic import Field
    >>> class Oven(BaseModel):
    ...     degrees: float = Field(description="a number from 50 to 250", ge=50, le=250)
    >>> try:
    ...     Oven(degrees=900)
    ... except ValidationError as error:
    ...     print(explain_error(error, Oven))
    degrees is 900; give a number from 50 to 250
    """
    errors = error.errors(include_url=False)
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return _sentence(errors[0], model) + more


def _sentence(error: Any, whole: type[BaseModel]) -> str:
    place, cause = error["loc"], error.get("ctx", {}).get("error")
    model, allowed = _key_context(place, whole)
    if error["type"] == "extra_forbidden":
        return _unknown_key(place, model)
    if error["type"] == "missing":
        return f"{_format_location(place)} is missing; give {allowed}"
    if isinstance(cause, BadInput):
        return f"{_format_location(place)}: {cause}"
    return f"{_format_location(place)} is {shorten_toml(error['input'])}; give {allowed}"


def _key_context(place: tuple[Any, ...], whole: type[BaseModel]) -> tuple[type[BaseModel], str]:
    """The model that has, or should have, the last key of a location, and what is allowed for that key."""
    inside: type[BaseModel] = whole
    model: type[BaseModel] | None = whole
    allowed = "a table of keys"
    for part in place:
        if isinstance(part, int) or model is None:
            continue
        inside, field = model, model.model_fields.get(part)
        allowed = (field and field.description) or "a table of keys"
        model = _section_of(field.annotation) if field else None
    return inside, allowed


def _section_of(annotation: Any) -> type[BaseModel] | None:
    """The model that a field holds: directly, in a tuple, or optionally."""
    choices = (annotation, *get_args(annotation))
    return next((choice for choice in choices if isinstance(choice, type) and issubclass(choice, BaseModel)), None)


def _unknown_key(place: tuple[Any, ...], model: type[BaseModel]) -> str:
    known = list(model.model_fields)
    near = get_close_matches(str(place[-1]), known, 1)
    hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(known)}"
    return f"there is no key '{_format_location(place)}'; {hint}"


def _format_location(place: tuple[Any, ...]) -> str:
    """A location in a recipe for messages: "optimizer.momentum", "experiment 2: name"."""
    if len(place) > 1 and isinstance(place[1], int):
        return f"{place[0]} {place[1] + 1}" + "".join(f": {part}" for part in place[2:])
    return ".".join(str(part) for part in place)


def shorten_toml(value: Any) -> str:
    """A value in TOML, shortened if it is long."""
    text = as_toml(value)
    return text if len(text) <= MAX_SHOWN_CHARACTERS else text[: MAX_SHOWN_CHARACTERS - 1] + "…"


def as_toml(value: Any) -> str:
    """A value in TOML; None is "none".

    >>> as_toml({"name": "step", "every": 500, "factor": 0.5}), as_toml([True, None])
    ('{name = "step", every = 500, factor = 0.5}', '[true, "none"]')
    """
    if value is None:
        return '"none"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(key)} = {as_toml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(as_toml(one) for one in value) + "]"
    return repr(value) if isinstance(value, float) else str(value)


def _key(key: str) -> str:
    return key if re.fullmatch("[A-Za-z0-9_-]+", key) else as_toml(key)
