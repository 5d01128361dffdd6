"""Find what the user wants to play, and open it: a session, a widget, a recording."""

import base64
import hashlib
import json
import re
import tempfile
import weakref
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from deltarule.data.load import LOADERS
from deltarule.errors import BadInput, not_installed
from deltarule.files import make_folder, write_whole
from deltarule.playground.own_table import MIN_ROWS_TO_SPLIT, read_own_table
from deltarule.playground.playable import list_stories, recipe_of_problem
from deltarule.playground.population import without_study
from deltarule.playground.session import Session
from deltarule.playground.settings import fitting_settings
from deltarule.problem.configuration import parse_toml
from deltarule.problem.problem import Problem
from deltarule.studies.recipes import Recipe, bundled_studies, dataset_of, load_recipe, with_settings
from deltarule.training.run import Run

TABLE_ENDINGS = (".csv", ".tsv", ".tab", ".txt", ".xlsx", ".parquet", ".npz")
FRAMES = 60
"""The number of frames of a recording; they are closer together at the beginning, where most happens."""

_IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+\.js)";\n', re.MULTILINE)


def recipe_to_play(what: str | Path | None = None) -> Recipe:
    """Find or create the recipe of what the user wants to play, unless it is a table."""
    stories = {story["name"].partition("-")[2]: story["recipe"] for story in list_stories()}
    name = "two-spirals" if what is None else str(what)
    if name in stories:
        return Recipe(name, Path(), parse_toml(stories[name]))
    if name in LOADERS:
        return _recipe_of_data(name, {"data.name": name, "data.scale": "standardize"})
    if Path(name).suffix or name in {study for study, _, _ in bundled_studies()}:
        return load_recipe(what if what is not None else name)
    known = ", ".join([*(study for study, _, _ in bundled_studies()), *LOADERS, *stories])
    raise BadInput(f"there is nothing called {name!r} to play with; give a table or a recipe, or one of {known}")


def open_session(what: Any = None, target: str | None = None) -> Session:
    """Open a session; `target` is the column of a table that is predicted."""
    problem = what.problem if isinstance(what, Run) else what
    folder = tempfile.TemporaryDirectory(prefix="deltarule-play-", ignore_cleanup_errors=True)
    try:
        if isinstance(problem, Problem):
            return Session(recipe_of_problem(problem, Path(folder.name)), folder)
        if what is not None and Path(what).suffix.lower() in TABLE_ENDINGS:
            file = Path(what).absolute()
            table = read_own_table(file, target, Path(folder.name))
            return Session(_recipe_of_data(file.stem, table.settings), folder, table.notes)
        if target is not None:
            raise BadInput(f"--target names a column of a table, and {what} is none; leave it out")
        return Session(recipe_to_play(what), folder)
    except BaseException:
        folder.cleanup()
        raise


def play(what: Any = None, target: str | None = None) -> Any:
    """Watch networks learn, live, in a notebook: the view of `deltarule play`.

    Parameters
    ----------
    what : str, Path, Problem or Run, optional
        The name of a study, a data set or a story, the path of a recipe or a table, or what was made in Python: then
        its training is played from its first weights. Two spirals by default.
    target : str, optional
        The column of a table that is predicted.

    Returns
    -------
    anywidget.AnyWidget
        Shown by the notebook. Its `session` is the training, with `close()` to end it.

    Raises
    ------
    BadInput
        For what cannot be played, and without anywidget.

    Examples
    --------
    >>> import deltarule
    >>> shown = deltarule.play("two-spirals")
    >>> shown.session.workbench.moment.problem.members
    24
    >>> shown.session.close()
    """
    try:
        import anywidget
    except ImportError as error:
        raise not_installed("play in a notebook", "anywidget", "notebook", error) from None

    class PlayWidget(anywidget.AnyWidget):
        """The view of a session, which answers the messages of the page one by one."""

        _esm = bundle("notebook.js") + "\nexport default { render };\n"
        _css = page_file("style.css")

    session = open_session(what, target)
    widget = PlayWidget()
    widget.session = session
    widget.on_msg(lambda sender, message, buffers: sender.send(*answer(session, message)))
    weakref.finalize(widget, session.close)
    return widget


def answer(session: Session, message: dict[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
    """Answer a message of the page with JSON values and at most one frame.

    A frame that the page has already is not drawn again.
    """
    name, table = str(message.get("name")), message.get("table") or {}
    reply: dict[str, Any] = {"id": message.get("id")}
    if name == "frame" and table.get("seen") == session.workbench.news:
        return {**reply, "same": True}, []
    try:
        answer = session.respond(name, table)
    except BadInput as error:
        return {**reply, "refused": str(error)}, []
    return (reply, [answer]) if isinstance(answer, bytes) else ({**reply, "result": answer}, [])


def _recipe_of_data(name: str, settings: dict[str, Any]) -> Recipe:
    """The recipe of the first story with other data, in batches, as it may be large."""
    story = without_study(Recipe(name, Path(), parse_toml(list_stories()[0]["recipe"])))
    recipe = with_settings(story, {"optimizer.batch_size": 30, **settings})
    dataset = dataset_of(recipe)
    if dataset.test is None and len(dataset.train) >= MIN_ROWS_TO_SPLIT:
        recipe = with_settings(recipe, {"data.split.test": 0.2, "data.split.stratify": False})
    return with_settings(recipe, fitting_settings(recipe, dataset))


# --- a page that replays a training -----------------------------------------------------------------------------------


def write_recording(session: Session, folder: Path, updates: int) -> Path:
    """Train on, and write a page that replays it, `index.html` of the folder."""
    make_folder(folder)
    steps, frames = [], []
    start = session.workbench.moment.state.step
    for step in np.unique(np.geomspace(1, updates + 1, FRAMES).astype(int) - 1).tolist():
        now = session.workbench.moment.state.step
        if start + step > now:
            session.workbench.advance(start + step - now)
        steps.append(start + step)
        frames.append(session.frame({}))
    recording = {
        "steps": steps,
        "frames": [base64.b64encode(frame).decode() for frame in frames],
        "data": base64.b64encode(session.data()).decode(),
        "settings": session.settings(),
    }
    script = bundle("recorded.js")
    style = page_file("style.css")
    page = Template(page_file("recording.html")).substitute(
        style=style,
        style_digest=_csp_digest(style),
        script=script,
        script_digest=_csp_digest(script),
        recording=json.dumps(recording).replace("<", "\\u003c"),
    )
    file = folder / "index.html"
    write_whole(file, page)
    return file


def page_file(name: str) -> str:
    return (resources.files("deltarule.playground") / "page" / name).read_text(encoding="utf-8")


def bundle(name: str) -> str:
    """Bundle a JavaScript module of the page with its imports into one script."""
    scripts: dict[str, str] = {}

    def add(module: str) -> None:
        if module in scripts:
            return
        text = page_file(module)
        for imported in _IMPORT.findall(text):
            add(imported)
        scripts[module] = re.sub(r"^export ", "", _IMPORT.sub("", text), flags=re.MULTILINE)

    add(name)
    return "\n".join(scripts.values()).replace("</script", "<\\/script")


def _csp_digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
