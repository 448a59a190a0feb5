"""Candidate pairs found by tasks of Ray are those of one process, also after a failure of a task or a file."""

import functools
import os
import signal
import threading
from pathlib import Path

import numpy as np
import pytest

from facespace.clustering import Cut, arrange
from facespace.clustering import graph as of_graph
from facespace.errors import DataError
from facespace.metric import normalise

ray = pytest.importorskip("ray", reason="clustering on many machines needs the extra `ray`")

from facespace.clustering import ray as of_ray  # noqa: E402
from facespace.clustering.ray import graph_with_ray, search_block  # noqa: E402

RADIUS = 0.9


@pytest.fixture(scope="module")
def cluster():
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    yield
    ray.shutdown()


def faces(count, each=5):
    rng = np.random.default_rng(0)
    centres = np.repeat(rng.normal(size=(-(-count // each), 32)), each, axis=0)[:count]
    return normalise(centres + 0.4 * rng.normal(size=(count, 32)))


def large(monkeypatch):
    """Let a few thousand points be searched as a million are."""
    monkeypatch.setattr(of_ray, "EXACT_UP_TO", 100)
    monkeypatch.setattr(of_graph, "EXACT_UP_TO", 100)
    return functools.partial(of_graph.candidate_graph, largest=100)


def equal(found, wanted):
    for mine, theirs in zip((found.a, found.b, found.distance), (wanted.a, wanted.b, wanted.distance), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("approximate", [False, True])
def test_the_graph_and_the_clusters_are_those_of_one_process(cluster, approximate, monkeypatch, tmp_path):
    points, alone = faces(5000), of_graph.candidate_graph
    if approximate:
        # One process compares all pairs of as few points; both must take the cells here.
        alone = large(monkeypatch)
        monkeypatch.setattr("facespace.index.graph.EXACT_UP_TO", 100)
    together = functools.partial(graph_with_ray, folder=tmp_path)
    equal(together(points, RADIUS), alone(points, RADIUS))
    found = arrange(points, Cut(RADIUS), candidates=together)
    np.testing.assert_array_equal(found.labels, arrange(points, Cut(RADIUS), candidates=alone).labels)
    # Most of the thousand people are apart, so equal labels say something.
    assert found.labels.max() > 900


def test_what_was_found_before_is_not_searched_for_again(cluster, tmp_path, monkeypatch):
    points = faces(5000)
    work = of_ray._begun(points, RADIUS, True, tmp_path)
    search_block(str(work), 2048, 4096)
    before = (work / of_ray._name(2048)).stat().st_mtime_ns
    found = graph_with_ray(points, RADIUS, folder=tmp_path)
    assert (work / of_ray._name(2048)).stat().st_mtime_ns == before
    equal(found, of_graph.radius_graph(points, RADIUS))
    # Once all is there, nothing needs Ray at all.
    monkeypatch.setattr(ray, "wait", lambda running: pytest.fail("a task was started"))
    equal(graph_with_ray(points, RADIUS, folder=tmp_path), found)
    assert not list(work.glob("*.part*"))


def test_other_points_or_another_radius_are_another_search(tmp_path):
    points = faces(50)
    one = of_ray._begun(points, RADIUS, True, tmp_path)
    assert of_ray._begun(points, RADIUS, True, tmp_path) == one
    assert of_ray._begun(points, 0.5, True, tmp_path) != one
    assert of_ray._begun(points[::-1], RADIUS, True, tmp_path) != one


def test_a_killed_task_is_done_again(cluster, tmp_path, monkeypatch):
    points, alone = faces(6000), large(monkeypatch)
    monkeypatch.setattr("facespace.index.graph.EXACT_UP_TO", 100)
    killed, over = [], threading.Event()

    def kill():
        while not killed and not over.wait(0.01):
            for entry in Path("/proc").iterdir():
                try:
                    searching = entry.name.isdigit() and b"ray::search_block" in (entry / "cmdline").read_bytes()
                    if searching and not killed:
                        os.kill(int(entry.name), signal.SIGKILL)
                        killed.append(entry.name)
                except OSError:
                    continue

    killer = threading.Thread(target=kill)
    killer.start()
    found = graph_with_ray(points, RADIUS, folder=tmp_path)
    over.set()
    killer.join()
    equal(found, alone(points, RADIUS))


def test_a_damaged_file_is_reported_and_made_again(cluster, tmp_path):
    points = faces(3000)
    found = graph_with_ray(points, RADIUS, folder=tmp_path)
    (block,) = tmp_path.glob("*/block-000000000000.npz")
    block.write_bytes(block.read_bytes()[:100])
    with pytest.raises(DataError, match="is damaged: .* it was deleted; run the same command again"):
        graph_with_ray(points, RADIUS, folder=tmp_path)
    equal(graph_with_ray(points, RADIUS, folder=tmp_path), found)


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(DataError, match="cannot write .*; name a folder that every machine can write, with room for"):
        graph_with_ray(faces(50), RADIUS, folder=tmp_path / "file")
