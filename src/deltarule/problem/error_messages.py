"""Describe errors in a recipe and format values as TOML."""

import json
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from deltarule.errors import BadInput
from deltarule.problem.ranges import quoted

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError
    from pydantic.fields import FieldInfo

MAX_SHOWN_CHARACTERS = 80
"""A longer value is shortened in messages."""


def explain_error(error: "ValidationError", model: "type[BaseModel]") -> str:
    """Describe the first of pydantic's errors for a model in one sentence."""
    first, *others = error.errors(include_url=False)
    more = f" (and {len(others)} more)" if others else ""
    return _describe_error(first["loc"], first, model) + more


def _describe_error(location: tuple[Any, ...], error: Any, root: "type[BaseModel]") -> str:
    from pydantic import BaseModel  # slow to import

    inside: type[BaseModel] = root
    model: type[BaseModel] | None = root
    allowed = "a table of keys"
    for part in location:
        if isinstance(part, int) or model is None:
            continue
        inside = model
        field = model.model_fields.get(part)
        if field is None:
            return unknown_key(_format_location(location), part, inside.model_fields)
        allowed = allowed_values(field)
        types = (field.annotation, *get_args(field.annotation))
        model = next((one for one in types if isinstance(one, type) and issubclass(one, BaseModel)), None)
    if error["type"] == "missing":
        return f"{_format_location(location)} is missing; give {allowed}"
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, BadInput):
        return f"{_format_location(location)}: {cause}"
    return f"{_format_location(location)} is {shorten_toml(error['input'])}; give {allowed}"


def unknown_key(where: str, name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, known, 1)
    hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(known)}"
    return f"there is no key '{where}'; {hint}"


def allowed_values(field: "FieldInfo") -> str:
    """What a key allows, in words: as its field says, or its type."""
    if field.description:
        return field.description
    if get_origin(field.annotation) is Literal:
        return quoted(get_args(field.annotation))
    choices = get_args(field.annotation)
    notes = (note for choice in choices for note in getattr(choice, "__metadata__", ()))
    words = next(filter(None, (getattr(note, "description", None) for note in notes)), "")
    return f'{words}, or "none"' if words else "a table of keys"


def _format_location(location: tuple[Any, ...]) -> str:
    if len(location) > 1 and isinstance(location[1], int):
        return f"{location[0]} {location[1] + 1}" + "".join(f": {part}" for part in location[2:])
    return ".".join(str(part) for part in location)


def shorten_toml(value: Any) -> str:
    text = as_toml(value)
    return text if len(text) <= MAX_SHOWN_CHARACTERS else text[: MAX_SHOWN_CHARACTERS - 1] + "…"


def as_toml(value: Any) -> str:
    """Format a value as TOML; None becomes "none"."""
    if value is None:
        return '"none"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        bare = {key: key if re.fullmatch("[A-Za-z0-9_-]+", key) else as_toml(key) for key in value}
        return "{" + ", ".join(f"{bare[key]} = {as_toml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(as_toml(one) for one in value) + "]"
    return repr(value) if isinstance(value, float) else str(value)
