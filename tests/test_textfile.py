"""Text files in the encodings that programs use."""

import tomllib

import pytest

from facespace.textfile import read_text, read_toml, slashed


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_text_is_read_with_any_byte_order_mark(tmp_path, encoding):
    (tmp_path / "a.txt").write_bytes("Zoë\n".encode(encoding))
    assert read_text(tmp_path / "a.txt") == "Zoë\n"


def test_another_encoding_is_an_error(tmp_path):
    (tmp_path / "a.txt").write_bytes("Zoë".encode("latin-1"))
    with pytest.raises(UnicodeDecodeError):
        read_text(tmp_path / "a.txt")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_toml_is_read_with_any_byte_order_mark(tmp_path, encoding):
    (tmp_path / "a.toml").write_bytes('name = "Zoë"\n'.encode(encoding))
    assert read_toml(tmp_path / "a.toml") == {"name": "Zoë"}


def test_a_windows_path_in_double_quotes_gets_advice(tmp_path):
    (tmp_path / "a.toml").write_text('train = "C:\\Users\\me"\n')
    with pytest.raises(tomllib.TOMLDecodeError, match=r"line 1.*write a path in single quotes"):
        read_toml(tmp_path / "a.toml")
    (tmp_path / "a.toml").write_text("train = \n")
    with pytest.raises(tomllib.TOMLDecodeError) as error:
        read_toml(tmp_path / "a.toml")
    assert "backslash" not in str(error.value)


def test_names_of_photos_have_forward_slashes():
    assert slashed(r"Ada\one.jpg") == slashed("./Ada/one.jpg") == "Ada/one.jpg"
