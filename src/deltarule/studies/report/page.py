"""Draw the report of a folder as one page, from all records in it."""

from collections.abc import Callable, Iterator
from pathlib import Path

from deltarule.errors import BadInput, count_of
from deltarule.files import write_whole
from deltarule.json_files import read_json
from deltarule.recipes import bundled_folders, load_recipe
from deltarule.reports.report import Report, ReportBlock, ReportSection, report_page
from deltarule.studies.report.record_blocks import StudyBlock, claims_block, sweep_block, variants_block
from deltarule.studies.report.run_block import run_block
from deltarule.studies.runner import CHECKPOINT
from deltarule.studies.variants import FILE as VARIANTS
from deltarule.studies.variants import read_variants, variant_in

NAME = "report.html"

BlockMaker = Callable[[Path, str], StudyBlock | None]
"""Draws the block of a record in a folder, with a given id."""


def write_report(folder: str | Path) -> Path:
    """Draw the report of a folder into its `report.html`, and return its path.

    The folder is what `deltarule run`, `claims` or `sweep` wrote with `--out`, or a folder of such folders. What is
    unfinished or cannot be read is named on it.
    Raises `BadInput` for a folder that is not there; otherwise as `write_whole`.
    """
    path = Path(folder) / NAME
    write_whole(path, report_page(report_of(folder)))
    return path


def report_of(folder: str | Path) -> Report:
    """Read the records of a folder into the report that `write_report` draws."""
    folder = Path(folder)
    if not folder.is_dir():
        raise BadInput(f"there is no folder '{folder}'; name one that deltarule has written with --out")
    study_blocks: list[StudyBlock] = []
    unfinished: list[str] = []
    runs: dict[str, list[Path]] = {}
    for subfolder in _folders(folder, 2):
        study = _add_records(subfolder, folder, study_blocks, unfinished)
        if study is not None:
            runs.setdefault(study, []).append(subfolder)
    for study, subfolders in runs.items():
        if len(subfolders) > 1:
            variants = list(map(variant_in, subfolders))
            study_blocks.append(variants_block(study, variants, f"part-{len(study_blocks) + 1}"))
    notes = _reproduction_notes(folder, unfinished)
    if not study_blocks and not unfinished:
        unfinished.append("there are no records here yet; write some with `deltarule run STUDY --out` and this folder")
    blocks: dict[str, list[ReportBlock]] = {}
    for study, block in study_blocks:
        blocks.setdefault(study, []).append(block)
    sections = [_section(study, of_study, runs.get(study, [])) for study, of_study in blocks.items()]
    return Report(f"deltarule: {', '.join(blocks) or folder.resolve().name}", sections, unfinished, notes)


def _add_records(subfolder: Path, folder: Path, study_blocks: list[StudyBlock], unfinished: list[str]) -> str | None:
    """Add the blocks of a folder's records, and return the study of its run."""
    study_of_run = None
    for file, make_block in RECORDS.items():
        if (subfolder / file).is_file():
            study = _add_block(make_block, subfolder / file, folder, study_blocks, unfinished)
            study_of_run = study if file == "run.json" else study_of_run
    if (subfolder / CHECKPOINT).is_file() and not (subfolder / "run.json").is_file():
        unfinished.append(f"in {_display_name(subfolder, folder)} a run has begun; --resume continues it")
    return study_of_run


def _add_block(
    make_block: BlockMaker, file: Path, folder: Path, study_blocks: list[StudyBlock], unfinished: list[str]
) -> str | None:
    """Add the block of a file of records to `study_blocks`, and return its study."""
    from jinja2 import TemplateError

    try:
        result = make_block(file.parent, f"part-{len(study_blocks) + 1}")
        if result is None:
            return None
        study, block = result
        report_page(Report(study, [ReportSection("", study, "", [block])]))  # raises here if it cannot be drawn
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, TemplateError) as error:
        text = str(error) if isinstance(error, BadInput) else "it is not as deltarule writes it; write it again"
        unfinished.append(f"{_display_name(file, folder)} cannot be read: {text}")
        return None
    study_blocks.append((study, block))
    if block.unfinished:
        unfinished.append(f"{block.title}: {block.unfinished}")
    return study


def _reproduction_notes(folder: Path, unfinished: list[str]) -> list[str]:
    if not (folder / "reproduce.json").is_file():
        return []
    record = read_json(folder / "reproduce.json")
    if record["missing"]:
        unfinished.append(f"not reproduced yet: {', '.join(record['missing'])}")
    seconds = sum(study["seconds"] for study in record["studies"])  # of earlier calls, too
    took = f"{seconds / 60:,.1f} minutes" if round(seconds) >= 60 else count_of(round(seconds), "second")
    return [f"Reproduced in {took}.", *(f"Left out by --quick: {text}." for text in record["left_out"])]


def _folders(folder: Path, depth: int) -> Iterator[Path]:
    yield folder
    if depth:
        for inner in sorted(folder.iterdir()):
            if inner.is_dir() and not inner.is_symlink():
                yield from _folders(inner, depth - 1)


def _display_name(path: Path, folder: Path) -> str:
    inside = path.relative_to(folder)
    return inside.as_posix() if inside.parts else "this folder"


def _section(study: str, blocks: list[ReportBlock], run_folders: list[Path]) -> ReportSection:
    recipes = [read_json(folder / "recipe.json") for folder in run_folders]
    texts = [(str(recipe.get("title", "")), str(recipe.get("summary", ""))) for recipe in recipes]
    if study in bundled_folders():
        described = load_recipe(study).configuration.study
        texts.append((described.title, described.summary))
    title, summary = next((heading for heading in texts if any(heading)), ("", ""))
    heading = f"{study}: {title}" if title not in ("", study) else study
    return ReportSection(f"study-{blocks[0].id}", heading, summary, blocks)


RECORDS: dict[str, BlockMaker] = {
    "claims.json": claims_block,
    "run.json": run_block,
    "sweep.sqlite": sweep_block,
    VARIANTS: lambda folder, id: variants_block(*read_variants(folder / VARIANTS), id),
}
