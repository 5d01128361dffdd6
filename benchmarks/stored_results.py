"""The stored results of the studies, of which their pages are made: docs/studies/results."""

from pathlib import Path

from pydantic import TypeAdapter

from deltarule.json_files import read_json
from deltarule.studies.claim_results import StudyResults

FOLDER = Path(__file__).parents[1] / "docs" / "studies" / "results"
CONTROL_IS_OPEN = "its control has not been trained yet"
"""The remark on a claim that is judged without its control."""


def results_file(study: str) -> Path:
    return FOLDER / f"{study}.json"


def stored_results(study: str) -> StudyResults:
    return TypeAdapter(StudyResults).validate_python(read_json(results_file(study)))
