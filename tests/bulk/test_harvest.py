"""Writing the faces of many photos: formats, resuming, kill -9."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from facespace.bulk import Source, harvest, sources_in
from facespace.errors import DataError
from facespace.faces import default_finder
from facespace.model import read_model, write_model
from facespace.space import load


@pytest.fixture(scope="module")
def album(people, tmp_path_factory):
    """Twelve photos with one ORL face each on grey, one without a face, one damaged."""
    folder = tmp_path_factory.mktemp("album")
    for number in range(1, 13):
        canvas = Image.new("RGB", (150, 160), (128, 128, 128))
        canvas.paste(Image.open(people / f"s{(number - 1) % 6 + 1}" / f"{number % 10 + 1}.pgm"), (25, 25))
        (folder / f"s{number % 3}").mkdir(exist_ok=True)
        canvas.save(folder / f"s{number % 3}" / f"{number}.png")
    Image.new("RGB", (60, 60), (30, 90, 30)).save(folder / "meadow.png")
    (folder / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0 torn")
    return folder


@pytest.fixture(scope="module")
def aligned_space(model_path, tmp_path_factory):
    read = read_model(model_path)
    path = tmp_path_factory.mktemp("aligned") / "aligned.onnx"
    write_model(path, read.onnx, read.card.model_copy(update={"detector": "mtcnn", "crop": "arcface-112"}))
    return load(path)


def rows_of(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()][1:]


def test_every_photo_is_a_line_with_its_faces_or_its_failure(album, aligned_space, tmp_path):
    done = harvest(sources_in(album), tmp_path / "faces.jsonl", aligned_space, tmp_path / "crops")
    assert (done.photos, done.failures, done.before) == (14, 1, 0)
    rows = rows_of(tmp_path / "faces.jsonl")
    assert [row["photo"] for row in rows] == [source.name for source in sources_in(album)]
    by_name = {row["photo"]: row for row in rows}
    assert "torn.jpg is damaged or truncated" in by_name["torn.jpg"]["failure"]
    assert by_name["meadow.png"]["faces"] == []
    assert done.faces == sum(len(row["faces"]) for row in rows) >= 11
    (face,) = by_name["s1/1.png"]["faces"]
    (expected,) = aligned_space.faces(album / "s1" / "1.png")
    assert np.float32(face["embedding"]) == pytest.approx(expected.embedding, abs=1e-5)
    assert face["box"] == pytest.approx(expected.box, abs=0.02)
    assert face["quality"]["value"] == pytest.approx(expected.quality.value, abs=1e-3)
    assert Image.open(tmp_path / "crops" / face["crop"]).size == (40, 48)


def test_a_parquet_table_has_a_row_for_every_face_and_every_photo_without_faces(album, aligned_space, tmp_path):
    pq = pytest.importorskip("pyarrow.parquet", reason="Parquet needs the extra `table`")
    done = harvest(sources_in(album), tmp_path / "faces.parquet", aligned_space)
    harvest(sources_in(album), tmp_path / "faces.jsonl", aligned_space)
    table = pq.read_table(tmp_path / "faces.parquet").to_pylist()
    faces = [row for row in table if row["face"] is not None]
    assert len(faces) == done.faces
    assert {row["photo"] for row in table if row["face"] is None} >= {"meadow.png", "torn.jpg"}
    lines = [(row["photo"], face) for row in rows_of(tmp_path / "faces.jsonl") for face in row["faces"]]
    for row, (photo, face) in zip(faces, lines, strict=True):
        assert row["photo"] == photo
        assert row["embedding"] == pytest.approx(face["embedding"])
        assert row["quality"] == pytest.approx(face["quality"]["value"])
        assert row["landmarks"] == pytest.approx(np.ravel(face["landmarks"]), abs=0.01)
    assert json.loads(pq.read_schema(tmp_path / "faces.parquet").metadata[b"space"]) == aligned_space.id
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name or "writing" in path.name] == []


def test_an_interrupted_run_continues_after_the_last_photo_written(album, tmp_path):
    finder, out, whole = default_finder(), tmp_path / "faces.jsonl", tmp_path / "whole.jsonl"
    harvest(sources_in(album), whole, finder)

    def stop_after(count):
        def on_photo(row):
            nonlocal count
            count -= 1
            if count == 0:
                raise KeyboardInterrupt

        return on_photo

    for count in (3, 1, 4):
        with pytest.raises(KeyboardInterrupt):
            harvest(sources_in(album), out, finder, on_photo=stop_after(count))
        assert not out.exists()
        with out.with_name("faces.jsonl.partial").open("a") as journal:
            journal.write('{"photo": "half a li')
    done = harvest(sources_in(album), out, finder)
    assert (done.before, done.photos) == (8, 6)
    assert out.read_text() == whole.read_text()


# Background jobs ignore the interrupt signal, and so do their children.
SCRIPT = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from facespace.bulk import harvest, sources_in
from facespace.faces import default_finder
harvest(sources_in(sys.argv[1]), sys.argv[2], default_finder(), on_photo=lambda row: time.sleep(0.05))
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_run_keeps_its_results(album, tmp_path, how):
    out, journal = tmp_path / "faces.jsonl", tmp_path / "faces.jsonl.partial"
    run = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, album, out],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.DEVNULL,
    )
    while run.poll() is None and (not journal.exists() or journal.read_bytes().count(b"\n") < 3):
        time.sleep(0.01)
    run.send_signal(how)
    run.wait(timeout=60)
    assert not out.exists()
    done = harvest(sources_in(album), out, default_finder())
    assert done.before >= 2
    assert len(rows_of(out)) == done.before + done.photos == 14


def test_an_existing_or_different_output_is_not_overwritten(album, aligned_space, tmp_path):
    (tmp_path / "there.jsonl").write_text("")
    with pytest.raises(DataError, match="exists"):
        harvest([], tmp_path / "there.jsonl", default_finder())
    with pytest.raises(DataError, match=r"must end in \.jsonl or \.parquet"):
        harvest([], tmp_path / "faces.csv", default_finder())
    with pytest.raises(KeyboardInterrupt):
        harvest(sources_in(album), tmp_path / "faces.jsonl", aligned_space, on_photo=interrupt)
    with pytest.raises(DataError, match="begun with another model"):
        harvest(sources_in(album), tmp_path / "faces.jsonl", default_finder())


def interrupt(row):
    raise KeyboardInterrupt


def test_a_video_gives_frames_with_timestamps(portraits_film, tmp_path):
    done = harvest(sources_in(portraits_film, every=2), tmp_path / "faces.jsonl", default_finder())
    rows = rows_of(tmp_path / "faces.jsonl")
    assert [row["photo"] for row in rows] == ["film.mp4#0", "film.mp4#2", "film.mp4#4"]
    assert [row["seconds"] for row in rows] == pytest.approx([0, 0.2, 0.4])
    assert done.faces == 3


@pytest.fixture
def portraits_film(people, tmp_path):
    av = pytest.importorskip("av", reason="reading videos needs the extra `video`")
    canvas = Image.new("RGB", (160, 160), (128, 128, 128))
    canvas.paste(Image.open(people / "s1" / "1.pgm"), (30, 25))
    with av.open(tmp_path / "film.mp4", "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 160, 160, "yuv420p", 2_000_000
        for _ in range(6):
            for packet in stream.encode(av.VideoFrame.from_image(canvas)):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return tmp_path / "film.mp4"


def test_a_name_that_is_not_utf8_round_trips(tmp_path):
    photo = np.zeros((20, 20, 3), np.uint8)
    names = ["a\nb", "königin.png", os.fsdecode(b"\xff.png")]
    for ending in ("jsonl", "parquet"):
        if ending == "parquet":
            pytest.importorskip("pyarrow", reason="Parquet needs the extra `table`")
        done = harvest([Source(name, photo) for name in names], tmp_path / f"faces.{ending}", default_finder())
        assert done.photos == 3
    assert [row["photo"] for row in rows_of(tmp_path / "faces.jsonl")] == names
