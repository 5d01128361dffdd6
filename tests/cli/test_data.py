import json

from deltarule.data.published import MNIST


def test_list_names_every_published_set(deltarule, tmp_path):
    status, out, _ = deltarule("data", "list", "--data", tmp_path, "--json")
    assert status == 0
    assert [one["name"] for one in json.loads(out)["data"]] == ["mnist", "fashion-mnist", "cifar10"]


def test_a_damaged_file_is_reported_with_status_2(deltarule, tmp_path):
    for name in MNIST.files:
        (tmp_path / name).write_bytes(b"damaged")
    status, out, error = deltarule("data", "check", "mnist", "--data", tmp_path)
    assert status == 2 and out == "" and error.count("\n") == 1
    assert f"{tmp_path / next(iter(MNIST.files))} is not the published" in error
    status, _, error = deltarule("run", "digits", "--set", "data.name=mnist", "--data", tmp_path)
    assert status == 2 and "is not the published" in error


def test_bad_use_is_reported(deltarule, tmp_path):
    assert deltarule("data", "fetch")[0] == 2
    assert "there is no published data set 'mnsit'" in deltarule("data", "check", "mnsit")[2]
