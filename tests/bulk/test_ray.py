"""Two Ray workers on this machine give the same output as one process."""

import pytest
from PIL import Image

from facespace.bulk import harvest, sources_in
from facespace.errors import DataError
from facespace.model import read_model, write_model
from facespace.space import load

ray = pytest.importorskip("ray", reason="spreading work needs the extra `ray`")


@pytest.fixture(scope="module")
def cluster():
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def album(people, tmp_path_factory):
    folder = tmp_path_factory.mktemp("album")
    for number in range(1, 41):
        canvas = Image.new("RGB", (150, 160), (128, 128, 128))
        canvas.paste(Image.open(people / f"s{number % 6 + 1}" / f"{number % 10 + 1}.pgm"), (25, 25))
        (folder / f"day {number % 3}").mkdir(exist_ok=True)
        canvas.save(folder / f"day {number % 3}" / f"{number}.png")
    (folder / "torn.jpg").write_bytes(b"torn")
    (folder / ".hidden.jpg").write_bytes(b"torn")
    return folder


def test_two_workers_write_the_same_rows_as_one_process(cluster, album, model_path, tmp_path):
    from facespace.bulk.ray import harvest_with_ray

    read = read_model(model_path)
    model = tmp_path / "aligned.onnx"
    write_model(model, read.onnx, read.card.model_copy(update={"detector": "mtcnn", "crop": "arcface-112"}))
    alone, together = tmp_path / "alone.jsonl", tmp_path / "together.jsonl"
    harvest(sources_in(album), alone, load(model, threads=1))
    done = harvest_with_ray(str(album), together, model, workers=2)
    assert (done.photos, done.failures) == (41, 1)
    assert together.read_text() == alone.read_text()


def test_the_groups_found_with_ray_are_those_of_one_process(cluster, album, model_path, tmp_path):
    import pyarrow.parquet as pq

    from facespace.album import cluster as cluster_here
    from facespace.album import cut_of
    from facespace.bulk.groups import group_with_ray

    read = read_model(model_path)
    model = tmp_path / "aligned.onnx"
    write_model(model, read.onnx, read.card.model_copy(update={"detector": "mtcnn", "crop": "arcface-112"}))
    space, out = load(model, threads=1), tmp_path / "groups"
    cut = cut_of(space.card.require_decisions())
    found = group_with_ray(str(album), out, space, model, cut, workers=2)
    rows = pq.read_table(found.out).to_pylist()
    alone = cluster_here(space, album)
    together = {}
    for row in rows:
        together.setdefault(row["cluster"], set()).add((row["photo"], tuple(f"{edge:.2f}" for edge in row["box"])))
    wanted = [
        {(member.photo.relative_to(album).as_posix(), tuple(f"{e:.2f}" for e in member.box)) for member in group}
        for group in alone.groups
    ]
    assert sorted(map(sorted, together.values())) == sorted(map(sorted, wanted))
    sizes = [len(together[number]) for number in range(len(together))]
    assert sizes == sorted(sizes, reverse=True)
    assert (found.faces, found.people) == (len(rows), len(wanted))
    assert not (out / "work").exists()

    # The table of another command will do, and a folder is for one source.
    again = group_with_ray(str(out / "faces.parquet"), tmp_path / "again", space, model, cut)
    assert pq.read_table(again.out).to_pylist() == rows
    with pytest.raises(DataError, match="holds the faces of .*name another folder"):
        group_with_ray(str(out / "faces.parquet"), out, space, model, cut)
    with pytest.raises(DataError, match="does not hold embeddings of this model"):
        group_with_ray(str(out / "clusters.parquet"), tmp_path / "third", space, model, cut)


def test_a_folder_without_photos_is_an_error(tmp_path):
    from facespace.bulk.ray import harvest_with_ray

    with pytest.raises(DataError, match="no photos under"):
        harvest_with_ray(str(tmp_path), tmp_path / "faces.jsonl")
    with pytest.raises(DataError, match="cannot be listed"):
        harvest_with_ray(str(tmp_path / "absent"), tmp_path / "faces.jsonl")
