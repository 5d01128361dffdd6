"""Read the stories, the guided experiments of the gallery."""

from functools import cache
from importlib import resources

from deltarule.problem.configuration import parse_toml


@cache
def list_stories() -> tuple[dict[str, str], ...]:
    """List all stories, each with its `name`, `title`, `text` and `recipe` (TOML).

    >>> [story["title"] for story in list_stories() if story["name"] == "02-hidden-layer"]
    ['Why exclusive or needs a hidden layer']
    """
    stories = []
    for file in sorted((resources.files("deltarule.playground") / "gallery").iterdir(), key=lambda one: one.name):
        text = file.read_text(encoding="utf-8")
        study = parse_toml(text, file.name).study
        stories.append(
            {"name": file.name.removesuffix(".toml"), "title": study.title, "text": study.summary, "recipe": text}
        )
    return tuple(stories)
