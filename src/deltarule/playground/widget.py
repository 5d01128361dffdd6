"""The workbench as a notebook widget (`deltarule.play`)."""

import weakref
from typing import Any

from deltarule.errors import BadInput, not_installed
from deltarule.playground.play import open_session
from deltarule.playground.recording import bundle, page_file
from deltarule.playground.session import Session


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
