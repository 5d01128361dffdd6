"""`deltarule doctor`: show what was found on this computer and what is in use."""

from deltarule.cli.options import Json
from deltarule.cli.terminal import console, print_json
from deltarule.doctor import examine


def doctor(json: Json = False) -> None:
    """Show versions, processor, BLAS, engines, optional libraries, data and caches."""
    from deltarule.json_files import to_jsonable

    found = to_jsonable(examine())
    if json:
        print_json(found)
        return
    from deltarule.reports.performance_tables import findings

    console().print(findings(found))
