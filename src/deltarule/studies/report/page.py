"""The report of a folder: its records, and those of the folders in it, read and drawn as one page."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from deltarule.errors import BadInput, count_of
from deltarule.files import kind_of, real_path, write_whole
from deltarule.json_files import read_json
from deltarule.reports.report import Block, Report, Section, report_page
from deltarule.studies.recipes import bundled_studies
from deltarule.studies.report.claims_block import Made, claims_block, range_block
from deltarule.studies.report.run_block import run_block
from deltarule.studies.report.sweep_block import sweep_block
from deltarule.studies.report.variants_block import variants_block
from deltarule.studies.variants import FILE as VARIANTS
from deltarule.studies.variants import read_variants, variant_in

if TYPE_CHECKING:
    pass

NAME = "report.html"


def write_report(folder: str | Path) -> Path:
    """Draw the report of a folder into its `report.html`.

    Parameters: `folder`, what `deltarule run`, `claims` or `lr-range` wrote with `--out`, or a folder of such folders.
    Returns: the path of the page. What is unfinished or cannot be read is named on it.
    Errors: `BadInput` for a folder that is not there; otherwise as `write_whole`.
    """
    path = Path(folder) / NAME
    write_whole(path, report_page(report_of(folder)))
    return path


def report_of(folder: str | Path) -> Report:
    """The records of a folder, as `write_report` tells them.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as empty:
    ...     report_of(empty).unfinished
    ['there are no records here yet; write some with `deltarule run STUDY --out` and this folder']
    """
    folder = Path(folder)
    if kind_of(folder) != "folder":
        raise BadInput(f"there is no folder '{folder}'; name one that deltarule has written with --out")
    made, unfinished, runs = list[Made](), list[str](), dict[str, list[Path]]()
    # Folders within folders that are looked into.
    for place in _folders(folder, 2):
        for record in RECORDS:
            if kind_of(place / record.file) != "file":
                continue
            told = _try_block(record, place, folder, f"part-{len(made) + 1}", made, unfinished)
            if told is not None and record.file == "run.json":
                runs.setdefault(told, []).append(place)
        # What is written before `run.json` is.
        if not (place / "run.json").is_file() and any(
            (place / name).is_file()
            for name in ("checkpoint.safetensors", "arrays.safetensors", "recipe.json", "portrait.safetensors")
        ):
            unfinished.append(f"in {_display_name(place, folder)} a run has begun, and no run.json says that it ended")
    for study, places in runs.items():
        if len(places) > 1:
            together = _Record("run.json", partial(_runs_together, study, places))
            _try_block(together, folder, folder, f"part-{len(made) + 1}", made, unfinished)
    notes = _reproduction(folder, unfinished)
    if not made and not unfinished:
        unfinished.append("there are no records here yet; write some with `deltarule run STUDY --out` and this folder")
    studies = dict.fromkeys(study for study, _ in made)
    sections = [_section(study, [block for of, block in made if of == study], runs.get(study, [])) for study in studies]
    title = f"deltarule: {', '.join(studies)}" if studies else f"deltarule: {real_path(folder).name}"
    return Report(title, sections, unfinished, notes)


def _try_block(
    record: "_Record", place: Path, folder: Path, id: str, made: list[Made], unfinished: list[str]
) -> str | None:
    """Make the block of a record, or say why it cannot be made; gives the study where there is one."""
    from jinja2 import TemplateError

    try:
        found = record.made(place, id)
        if found is None:
            return None
        study, block = found
        report_page(Report(study, [Section("", study, "", [block])]))  # what cannot be drawn is found here
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, TemplateError) as error:
        text = str(error) if isinstance(error, BadInput) else "it is not as deltarule writes it; write it again"
        unfinished.append(f"{_display_name(place / record.file, folder)} cannot be read: {text}")
        return None
    made.append((study, block))
    if block.unfinished:
        unfinished.append(f"{block.title}: {block.unfinished}")
    return study


def _runs_together(study: str, places: list[Path], _: Path, id: str) -> Made:
    return study, variants_block(study, [variant_in(place) for place in places], id)


def _reproduction(folder: Path, unfinished: list[str]) -> list[str]:
    """What the folder of a reproduction says of the whole of it; nothing for another folder."""
    if kind_of(folder / "reproduce.json") != "file":
        return []
    try:
        record = read_json(folder / "reproduce.json")
        if record["missing"]:
            unfinished.append(f"not reproduced yet: {', '.join(record['missing'])}")
        seconds = sum(study["seconds"] for study in record["studies"])  # also of what an earlier call has come to
        took = f"{seconds / 60:,.1f} minutes" if round(seconds) >= 60 else count_of(round(seconds), "second")
        return [f"Reproduced in {took}.", *(f"Left out by --quick: {one}." for one in record["left_out"])]
    except (LookupError, TypeError, ValueError) as error:
        text = str(error) if isinstance(error, BadInput) else "it is not as deltarule writes it"
        unfinished.append(f"reproduce.json cannot be read: {text}")
        return []


def _folders(folder: Path, depth: int) -> Iterator[Path]:
    yield folder
    if depth:
        try:
            inside = sorted(folder.iterdir())
        except OSError as error:
            raise BadInput(f"{folder} cannot be read: {error.strerror}; name a folder that you may read") from error
        for inner in inside:
            if kind_of(inner) == "folder" and not inner.is_symlink():
                yield from _folders(inner, depth - 1)


def _display_name(path: Path, folder: Path) -> str:
    inside = path.relative_to(folder)
    return inside.as_posix() if inside.parts else "this folder"


def _section(study: str, blocks: list[Block], runs: list[Path]) -> Section:
    """A study's blocks under what its recipe says of it: the one that was run, else the one that is part of deltarule.

    runs   the folders of its runs
    """
    recipes = [read_json(run / "recipe.json") for run in runs]
    texts = [(str(recipe.get("title", "")), str(recipe.get("summary", ""))) for recipe in recipes]
    texts += [(title, summary) for name, title, summary in bundled_studies() if name == study]
    title, summary = next((one for one in texts if any(one)), ("", ""))
    heading = f"{study}: {title}" if title not in ("", study) else study
    return Section(f"study-{blocks[0].id}", heading, summary, blocks)


# --- a run -----------------------------------------------------------------------------------------------------------


# --- claims, and a range test ----------------------------------------------------------------------------------------


def _variants(place: Path, id: str) -> Made:
    study, variants = read_variants(place / VARIANTS)
    return study, variants_block(study, variants, id)


@dataclass(frozen=True)
class _Record:
    """A file that makes a block, and how; None where there is nothing to tell."""

    file: str
    made: Callable[[Path, str], Made | None]


RECORDS = (
    _Record("claims.json", claims_block),
    _Record("run.json", run_block),
    _Record("lr_range.json", range_block),
    _Record("sweep.sqlite", sweep_block),
    _Record(VARIANTS, _variants),
)
