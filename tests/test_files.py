"""Atomic writes: readers see the old content of a file or the new one, never a part."""

import threading

import numpy as np
import pytest

from facespace.files import replacing


def names(folder):
    return [path.name for path in folder.iterdir()]


def test_the_new_content_appears_at_the_end(tmp_path):
    path = tmp_path / "people.csv"
    path.write_text("old")
    with replacing(path) as partial:
        partial.write_text("new")
        assert partial.parent == tmp_path
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert names(tmp_path) == ["people.csv"]


@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize("begun", [False, True])
def test_after_an_error_only_the_old_file_is_left(tmp_path, private, begun):
    path = tmp_path / "people.csv"
    path.write_text("old")

    def interrupted():
        with replacing(path, private) as partial:
            if begun:
                partial.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["people.csv"]


def test_a_private_file_is_private_from_the_beginning(tmp_path):
    path = tmp_path / "keys.json"
    path.write_text("old")
    path.chmod(0o644)
    with replacing(path, private=True) as partial:
        assert partial.stat().st_mode & 0o777 == 0o600
        partial.write_text("new")
    assert path.stat().st_mode & 0o777 == 0o600


def test_another_file_gets_the_usual_permissions(tmp_path):
    (tmp_path / "usual").touch()
    with replacing(tmp_path / "model.onnx") as partial:
        partial.write_bytes(b"")
    assert (tmp_path / "model.onnx").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_libraries_that_need_the_suffix_can_write_the_temporary_file(tmp_path):
    with replacing(tmp_path / "points.npy") as partial:
        np.save(partial, np.arange(3))
    assert np.load(tmp_path / "points.npy").tolist() == [0, 1, 2]


def test_a_name_of_maximum_length_can_be_written(tmp_path):
    path = tmp_path / ("ž" * 125 + ".json")
    with replacing(path) as partial:
        partial.write_text("x")
    assert path.read_text() == "x"


def test_a_folder_that_does_not_exist_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "no" / "file") as partial:
        partial.write_text("x")


def test_concurrent_writers_leave_a_complete_file(tmp_path):
    path, wrong = tmp_path / "file", []

    def write(letter):
        for _ in range(20):
            with replacing(path) as partial:
                partial.write_text(letter * 1000)
            found = path.read_text()
            if len(found) != 1000 or len(set(found)) != 1:
                wrong.append(found)

    threads = [threading.Thread(target=write, args=(letter,)) for letter in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert names(tmp_path) == ["file"]
