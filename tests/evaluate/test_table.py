"""CSV files written by spreadsheets and by hand."""

import pytest

from facespace.errors import DataError
from facespace.evaluate.table import read_table


def read(tmp_path, content, needed=("a", "b", "same")):
    (tmp_path / "t.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(tmp_path / "t.csv", needed)


@pytest.mark.parametrize(
    "content",
    [
        "a,b,same\np/1.jpg,Zoë/2.jpg,1\n",
        "\ufeffa,b,same\r\np/1.jpg,Zoë/2.jpg,1\r\n",
        "a, b, same\np/1.jpg, Zoë/2.jpg , 1\n\n",
        "a;b;same\np/1.jpg;Zoë/2.jpg;1\n",
        "a\tb\tsame\np/1.jpg\tZoë/2.jpg\t1\n",
        "sep=;\na;b;same\np/1.jpg;Zoë/2.jpg;1\n",
        'a,b,same\np\\1.jpg,"Zoë\\2.jpg",1\n',
        "a\tb\tsame\np/1.jpg\tZoë/2.jpg\t1\n".encode("utf-16"),
    ],
    ids=["plain", "mark", "spaces", "semicolons", "tabs", "sep line", "backslashes", "utf-16"],
)
def test_a_table_is_read_in_common_encodings_and_separators(tmp_path, content):
    (row,) = read(tmp_path, content).rows
    assert row.values == {"a": "p/1.jpg", "b": "Zoë/2.jpg", "same": "1"}


def test_a_comma_in_a_value_is_kept_where_semicolons_stand_between(tmp_path):
    (row,) = read(tmp_path, "a;b;same\np;q, r;1\n").rows
    assert row["b"] == "q, r"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a b same\np q 1\n", "no column a, b, same.*it has 'a b same'"),
        ("", "it is empty"),
        ("a,b,same\np,q,1,2\n", "line 2: expected 3 values, one per column, but found 4"),
        ("sep=;\na;b;same\np;q;1\nr;s\n", "line 4: expected 3 values"),
        ("a,b,same\np, ,1\n", "line 2: the value for b is missing"),
        (b"a,b,same\nZo\xeb,q,1\n", "save it as 'CSV UTF-8'"),
    ],
)
def test_an_unreadable_table_is_a_clear_error(tmp_path, content, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path, content)
