"""`deltarule learn`: write the lessons as pages."""

from pathlib import Path
from typing import Annotated

from deltarule.cli.options import argument
from deltarule.cli.output import Result
from deltarule.cli.output_paths import Output
from deltarule.errors import one_line
from deltarule.learn.pages import write_lessons

Folder = Annotated[Path, argument("FOLDER", "Where to write them."), Output("folder of lessons", is_folder=True)]


def learn(folder: Folder = Path("lessons")) -> Result:
    """Write lessons on backpropagation, with worksheets and exercises, as pages for the browser."""
    files = write_lessons(folder)
    exercises = "Beside each page lies its exercise, as a script and as a notebook; those that were there are kept."
    start = f"Begin with {files[0].name} in a browser. Run the exercises in their folder: cd {one_line(folder)}"
    return Result(None, [*(f"Written: {one_line(file)}" for file in files), exercises, start])
