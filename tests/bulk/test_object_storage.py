"""Faces of photos in S3-compatible storage: a server that fails, a worker and a driver that are killed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from facespace.bulk import harvest, sources_in
from facespace.faces import default_finder

pytest.importorskip("ray", reason="spreading work needs the extra `ray`")

PHOTOS = 70


@pytest.fixture(scope="module")
def photos(people, tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for number in range(1, PHOTOS):
        canvas = Image.new("RGB", (150, 160), (128, 128, 128))
        canvas.paste(Image.open(people / f"s{number % 6 + 1}" / f"{number % 10 + 1}.pgm"), (25, 25))
        (folder / f"день {number % 3}").mkdir(exist_ok=True)
        canvas.save(folder / f"день {number % 3}" / f"{number}.png")
    (folder / "torn.jpg").write_bytes(b"torn")
    return folder


@pytest.fixture(scope="module")
def bucket(storage, photos):
    client = storage.client()
    client.create_bucket(Bucket="album")
    for path in photos.rglob("*.*"):
        client.upload_file(str(path), "album", f"2026/{path.relative_to(photos).as_posix()}")
    return "s3://album/2026"


def driver(bucket, out, storage, log):
    words = [sys.executable, "-m", "facespace", "faces", bucket, "--engine", "ray", "--workers", "2", "--out", str(out)]
    paths = {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    environment = {**os.environ, **storage.environment, **paths}
    # Not to a pipe: Ray's own processes would keep it open after the driver was killed.
    with log.open("wb") as file:
        return subprocess.Popen(words, env=environment, stdout=file, stderr=file)


def rows(path):
    return path.read_text().splitlines() if path.exists() else []


def workers_of(process):
    """Processes in which Ray finds faces, below a driver."""
    parents, names = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                names[int(entry.name)] = (entry / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue

    def below(pid):
        while pid in parents:
            if pid == process.pid:
                return True
            pid = parents[pid]
        return False

    return [pid for pid, name in names.items() if name.startswith("ray::MapWorker") and below(pid)]


def test_a_killed_driver_a_killed_worker_and_a_failing_server_leave_each_photo_once(storage, bucket, photos, tmp_path):
    alone, together, log = (tmp_path / name for name in ("alone.jsonl", "together.jsonl", "log"))
    harvest(sources_in(photos), alone, default_finder())
    journal = tmp_path / "together.jsonl.partial"
    # Both are in the last batch, so the first batch arrives and the last one does not.
    held, refused = f"{PHOTOS - 2}.png", f"{PHOTOS - 5}.png"
    storage.hold(held)
    first = driver(bucket, together, storage, log)
    while len(rows(journal)) < 5 and first.poll() is None:
        time.sleep(0.05)
    assert first.poll() is None, log.read_text()
    first.send_signal(signal.SIGKILL)
    first.wait()
    storage.release()
    assert 5 <= len(rows(journal)) < PHOTOS
    assert not together.exists()

    storage.hold(held)
    # More refusals than the client of S3 itself tries.
    storage.refusing = {refused: 6}
    second = driver(bucket, together, storage, log)
    while not storage.reached.wait(0.05):
        assert second.poll() is None, log.read_text()
    killed = workers_of(second)
    for worker in killed:
        os.kill(worker, signal.SIGKILL)
    storage.release()
    assert second.wait() == 0, log.read_text()
    assert killed
    assert storage.refused == 6
    found = [json.loads(line) for line in rows(together)]
    wanted = [json.loads(line) for line in rows(alone)]
    assert [row["photo"] for row in found[1:]] == [row["photo"] for row in wanted[1:]]
    assert [row["faces"] for row in found[1:]] == [row["faces"] for row in wanted[1:]]


def test_storage_that_cannot_be_read_stops_the_work_and_blames_no_photo(storage, bucket, monkeypatch):
    from facespace.bulk.ray import FindAndEmbed
    from facespace.errors import DataError

    for name, value in storage.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("facespace.bulk.ray.PAUSES", (0.0,))
    find = FindAndEmbed(bucket, None, None)
    storage.refusing = {"torn.jpg": 10_000}
    with pytest.raises(DataError, match="cannot read .*torn.jpg, tried 2 times.* run the same command again"):
        find({"name": ["torn.jpg"]})
    storage.refusing = {}
    (row,) = find({"name": ["gone.png"]})["row"]
    assert "cannot read s3://album/2026/gone.png" in json.loads(row)["failure"]
