"""`deltarule doctor`: show what is installed on this computer."""

from deltarule.cli.options import Json
from deltarule.cli.terminal import console, print_json
from deltarule.doctor import examine
from deltarule.reports.doctor_table import doctor_table


def doctor(json: Json = False) -> None:
    """Show versions, processor, BLAS, engines, optional libraries, data and caches."""
    from deltarule.json_files import to_jsonable

    record = to_jsonable(examine())
    if json:
        print_json(record)
        return
    console().print(doctor_table(record))
