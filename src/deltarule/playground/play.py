"""Find what the user wants to play, and open it: a session, a widget."""

import contextlib
import tempfile
import weakref
from pathlib import Path
from typing import Any

from deltarule.data.load import LOADERS
from deltarule.errors import BadInput, not_installed
from deltarule.playground.own_page import write_page
from deltarule.playground.own_table import read_own_table, test_split
from deltarule.playground.page_bundle import bundle, layout, page_file
from deltarule.playground.population import without_study
from deltarule.playground.session import Session
from deltarule.playground.settings import fitting_settings, list_stories
from deltarule.problem.configuration import parse_toml
from deltarule.recipes import Recipe, bundled_folders, dataset_of, load_recipe, with_settings

TABLE_ENDINGS = (".csv", ".tsv", ".tab", ".txt", ".xlsx", ".parquet", ".npz")


def recipe_to_play(what: str | Path | None = None) -> Recipe:
    """Find or create the recipe of what the user wants to play, unless it is a table."""
    stories = {story["name"].partition("-")[2]: story["recipe"] for story in list_stories()}
    name = "two-spirals" if what is None else str(what)
    if name in stories:
        return Recipe(name, Path(), parse_toml(stories[name]))
    if name in LOADERS:
        return _recipe_of_data(name, {"data.name": name, "data.scale": "standardize"})
    if Path(name).suffix or name in bundled_folders():
        return load_recipe(what if what is not None else name)
    known = ", ".join([*bundled_folders(), *LOADERS, *stories])
    raise BadInput(f"there is nothing called {name!r} to play with; give a table or a recipe, or one of {known}")


def open_session(what: str | Path | None = None, target: str | None = None) -> Session:
    """Open a session; `target` is the column of a table that is predicted."""
    folder = tempfile.TemporaryDirectory(prefix="deltarule-play-", ignore_cleanup_errors=True)
    try:
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


def play(what: str | Path | None = None, target: str | None = None, page: str | Path | None = None) -> Any:
    """Watch networks learn, live, in a notebook: the view of `deltarule play`.

    Parameters
    ----------
    what : str or Path, optional
        The name of a study, a data set or a story, or the path of a recipe or a table. Two spirals by default.
    target : str, optional
        The column that is predicted; required for a table.
    page : str or Path, optional
        A file to write: a page that trains by itself, without Python. Nothing is shown then.

    Returns
    -------
    anywidget.AnyWidget or Path
        Shown by the notebook. Its `session` is the training, with `close()` to end it. With `page`, the file.

    Raises
    ------
    BadInput
        For what cannot be played or written as a page, and, to show it, without anywidget.

    Examples
    --------
    >>> import deltarule
    >>> shown = deltarule.play("two-spirals")
    >>> shown.session.workbench.moment.problem.members
    24
    >>> shown.session.close()
    """
    if page is not None:
        with contextlib.closing(open_session(what, target)) as session:
            return write_page(session.workbench.moment.recipe, Path(page))
    try:
        import anywidget
        import traitlets
    except ImportError as error:
        raise not_installed("play in a notebook", "anywidget", "notebook", error) from None

    class PlayWidget(anywidget.AnyWidget):
        """The view of a session, which answers the messages of the page one by one."""

        _esm = bundle("notebook.js") + "\nexport default { render };\n"
        _css = page_file("style.css")
        html = traitlets.Unicode(layout()).tag(sync=True)

    session = open_session(what, target)
    widget = PlayWidget()
    widget.session = session
    widget.on_msg(lambda sender, message, buffers: sender.send(*answer(session, message)))
    weakref.finalize(widget, session.close)
    return widget


def answer(session: Session, message: dict[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
    """Answer a message of the page with JSON values and at most one frame.

    A frame that the page has already is null.
    """
    name = str(message.get("name"))
    table = message.get("table") or {}
    reply: dict[str, Any] = {"id": message.get("id")}
    if name == "frame" and table.get("seen") == session.workbench.news:
        return {**reply, "result": None}, []
    try:
        answer = session.respond(name, table)
    except BadInput as error:
        return {**reply, "refused": str(error)}, []
    return (reply, [answer]) if isinstance(answer, bytes) else ({**reply, "result": answer}, [])


def _recipe_of_data(name: str, settings: dict[str, Any]) -> Recipe:
    """The recipe of the first story with other data, in batches, as it may be large."""
    story = without_study(Recipe(name, Path(), parse_toml(list_stories()[0]["recipe"])))
    recipe = with_settings(story, {"optimizer.batch_size": 30, "optimizer.learning_rate": 0.015, **settings})
    dataset = dataset_of(recipe)
    if dataset.test is None:
        recipe = with_settings(recipe, test_split(len(dataset.train)))
    return with_settings(recipe, fitting_settings(recipe, dataset))
