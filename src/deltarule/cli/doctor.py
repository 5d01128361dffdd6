"""`deltarule doctor`: what was found on this computer, and what is in use."""

from deltarule.cli.common import Json, console, print_json
from deltarule.doctor import examine


def doctor(json: Json = False) -> None:
    """Say what was found and is in use: versions, processor, BLAS, engines, optional libraries, data, caches."""
    from deltarule.json_files import to_jsonable

    found = to_jsonable(examine())
    if json:
        print_json(found)
        return
    from deltarule.reports.performance_tables import findings

    console().print(findings(found))
