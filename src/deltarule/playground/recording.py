"""Record a training run as one static page that replays offline."""

import base64
import hashlib
import json
import re
from importlib import resources
from pathlib import Path
from string import Template

import numpy as np

from deltarule.files import make_folder, write_whole
from deltarule.playground.session import Session

FRAMES = 60
"""The number of frames of a recording; they are closer together at the beginning, where most happens."""

_IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+\.js)";\n', re.MULTILINE)


def write_recording(session: Session, folder: Path, updates: int) -> Path:
    """Train a session for some more updates, and write a page that replays them.

    The folder is created if it does not exist; the page is its `index.html`, whose path is returned.
    """
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
        """Add a module to `scripts`, after its imports."""
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
