"""Targets for users' tables: CSV, npz and Parquet files."""

import io

from hostile.target import Target, check_refusal, write_scratch

TABLES = (
    b"weight,length,kind\n150,7,apple\n120,19,banana\n1e3,-2,apple\n",
    b'"a b",y\r\n"1","x,1"\r\n2,"q""q"\r\n',
    b"x,y\n1,1\n2,2\n3,1\n4,2\n\n",
    b"\xef\xbb\xbfx,kind,y\n1,red,0.5\n,blue,1.5\nNA,?,2.5\n",
)


def _read_csv(content: bytes) -> None:
    from deltarule.data.table_file import read_table

    path = write_scratch("t.csv", content)
    for target in ("kind", "y"):
        try:
            read_table(path, target)
        except Exception as error:
            check_refusal(error)


def _read_frame(content: bytes) -> None:
    from deltarule.tables.frame import frame_of
    from deltarule.tables.reader import read_frame

    for name in ("t.csv", "t.tsv"):
        try:
            frame_of(read_frame(write_scratch(name, content)))
        except Exception as error:
            check_refusal(error)


def _npz_files() -> list[bytes]:
    import numpy as np

    made = []
    for save in (np.savez, np.savez_compressed):
        for y in (np.array([0, 1, 1]), np.array(["a", "b", "a"]), np.zeros((3, 2))):
            buffer = io.BytesIO()
            save(buffer, x=np.arange(6.0).reshape(3, 2), y=y)
            made.append(buffer.getvalue())
    return made


def _read_npz(content: bytes) -> None:
    from deltarule.data.table_file import read_table

    read_table(write_scratch("t.npz", content))


def _parquet_files() -> list[bytes]:
    import pyarrow
    from pyarrow import parquet

    columns = {"x": [1.5, None, 2.0], "n": [1, 2, 3], "kind": ["a", "b", None], "flag": [True, False, None]}
    made = []
    for table, compression in (
        (pyarrow.table(columns), "snappy"),
        (pyarrow.table(columns), "none"),
        (pyarrow.table({"l": [[1, 2], None, []], "s": [{"a": 1}, {"a": None}, None]}), "none"),
    ):
        buffer = io.BytesIO()
        parquet.write_table(table, buffer, compression=compression)
        made.append(buffer.getvalue())
    return made


def _read_parquet(content: bytes) -> None:
    from deltarule.tables.reader import read_frame

    read_frame(write_scratch("t.parquet", content))


TARGETS = (
    Target("csv", lambda: list(TABLES), _read_csv, 100),
    Target("frame", lambda: list(TABLES), _read_frame, 80),
    Target("npz", _npz_files, _read_npz, 70),
    Target("parquet", _parquet_files, _read_parquet, 30),
)
