"""Text files as people's programs save them."""

import tomllib

import pytest

from facespace.textfile import read_text, read_toml, slashed


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_text_is_read_whatever_mark_it_begins_with(tmp_path, encoding):
    (tmp_path / "a.txt").write_bytes("Zoë\n".encode(encoding))
    assert read_text(tmp_path / "a.txt") == "Zoë\n"


def test_another_encoding_is_an_error_and_not_other_letters(tmp_path):
    (tmp_path / "a.txt").write_bytes("Zoë".encode("latin-1"))
    with pytest.raises(UnicodeDecodeError):
        read_text(tmp_path / "a.txt")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_toml_is_read_whatever_mark_it_begins_with(tmp_path, encoding):
    (tmp_path / "a.toml").write_bytes('name = "Zoë"\n'.encode(encoding))
    assert read_toml(tmp_path / "a.toml") == {"name": "Zoë"}


def test_a_windows_path_in_double_quotes_is_told_how_to_be_written(tmp_path):
    (tmp_path / "a.toml").write_text('train = "C:\\Users\\me"\n')
    with pytest.raises(tomllib.TOMLDecodeError, match=r"line 1.*write a path in single quotes"):
        read_toml(tmp_path / "a.toml")
    (tmp_path / "a.toml").write_text("train = \n")
    with pytest.raises(tomllib.TOMLDecodeError) as error:
        read_toml(tmp_path / "a.toml")
    assert "backslash" not in str(error.value)


def test_names_of_photos_have_forward_slashes():
    assert slashed(r"Ada\one.jpg") == slashed("./Ada/one.jpg") == "Ada/one.jpg"
