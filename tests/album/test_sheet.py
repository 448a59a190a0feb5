import csv
import json
import re

import pytest

from facespace.album import Album, write_sheet
from facespace.errors import AlbumError


@pytest.fixture
def sheet(people, tmp_path, space):
    with Album(tmp_path / "album.db", space) as album:
        album.add(people)
        album.name(album.clusters()[0].number, "Ada <b> & 王芳/..")
        write_sheet(album, tmp_path / "out")
        return tmp_path / "out", album.clusters()


def test_every_face_is_a_file_loaded_lazily_by_the_page(sheet):
    folder, clusters = sheet
    page = (folder / "index.html").read_text("utf-8")
    shown = re.findall(r'<img loading="lazy"[^>]* src="faces/(\d+)\.webp">', page)
    numbers = {face.number for cluster in clusters for face in cluster.faces}
    assert numbers <= set(map(int, shown))
    assert all((folder / "faces" / f"{number}.webp").stat().st_size for number in numbers)
    assert "http" not in page


def test_a_name_is_escaped_in_markup_and_paths(sheet):
    folder, _ = sheet
    page = (folder / "index.html").read_text("utf-8")
    assert "Ada &lt;b&gt; &amp; 王芳/.." in page
    (named,) = (path.name for path in (folder / "people").iterdir() if "Ada" in path.name)
    assert re.fullmatch(r"\d{5} Ada _b_ _ 王芳___", named)


def test_links_table_and_json_agree(sheet):
    folder, clusters = sheet
    links = {path.name: len(list(path.iterdir())) for path in (folder / "people").glob("[0-9]*")}
    assert sorted(links.values()) == sorted(len(cluster.faces) for cluster in clusters)
    assert all(link.resolve().is_file() for link in (folder / "people").rglob("*.pgm"))
    with (folder / "clusters.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    written = json.loads((folder / "clusters.json").read_text("utf-8"))
    assert {(int(row["cluster"]), int(row["face"])) for row in rows} == {
        (cluster["number"], face["number"]) for cluster in written["clusters"] for face in cluster["faces"]
    }
    assert len(rows) == 60


def test_writing_again_removes_old_output(sheet, tmp_path, space):
    folder, clusters = sheet
    with Album(tmp_path / "album.db", space) as album:
        album.merge([clusters[0].number, clusters[1].number])
        write_sheet(album, folder)
        assert len(list((folder / "people").glob("[0-9]*"))) == len(album.clusters())


def test_a_folder_that_cannot_be_written_is_a_clear_error(people, tmp_path, space):
    (tmp_path / "file").write_text("")
    with Album(tmp_path / "album.db", space) as album, pytest.raises(AlbumError, match="cannot write the sheet"):
        write_sheet(album, tmp_path / "file" / "out")
