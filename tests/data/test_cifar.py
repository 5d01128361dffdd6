import pytest

from deltarule.data.cifar import RECORD, parse_cifar_records
from deltarule.errors import BadInput


def test_records_are_labels_and_pixels():
    records = parse_cifar_records(bytes([3]) + bytes(3072) + bytes([7]) + bytes([255]) * 3072, "two.bin")
    assert records[:, 0].tolist() == [3, 7] and records[:, 1:].min(1).tolist() == [0, 255]


@pytest.mark.parametrize("size", [0, 1, RECORD - 1, RECORD + 1])
def test_parts_of_records_are_refused(size):
    with pytest.raises(BadInput, match=f"part.bin holds {size} bytes, which is no whole number of records of 3073"):
        parse_cifar_records(bytes(size), "part.bin")
