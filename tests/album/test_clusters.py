"""From photos to groups of faces."""

import numpy as np
import pytest

from facespace.album import cluster
from facespace.errors import DataError


def test_every_face_is_in_exactly_one_group_largest_first(space, people):
    clusters = cluster(space, people)
    photos = [member.photo for group in clusters.groups for member in group]
    assert len(photos) == len(set(photos)) == 60
    sizes = [len(group) for group in clusters.groups]
    assert sizes == sorted(sizes, reverse=True)
    assert 0 < clusters.threshold <= space.clustering.threshold


def test_the_same_photo_twice_is_in_one_group(space, people):
    photo = people / "s1" / "1.pgm"
    (group,) = cluster(space, [photo, str(photo)], threshold=0.001).groups
    assert [member.box for member in group] == [(0, 0, 92, 112)] * 2


def test_a_bad_photo_is_reported_and_the_rest_are_grouped(space, people, tmp_path):
    (tmp_path / "bad.jpg").write_text("no photo")
    clusters = cluster(space, [people / "s1" / "1.pgm", tmp_path / "bad.jpg", people / "s2" / "1.pgm"])
    assert sum(map(len, clusters.groups)) == 2
    assert [failure.photo for failure in clusters.failures] == [tmp_path / "bad.jpg"]


def test_without_a_usable_photo_clustering_is_a_clear_error(space, tmp_path):
    with pytest.raises(DataError, match="no photos under"):
        cluster(space, tmp_path)
    (tmp_path / "bad.jpg").write_text("no photo")
    with pytest.raises(DataError, match="no photo to cluster can be used: .*not an image"):
        cluster(space, tmp_path)


def test_embeddings_and_faces_can_be_clustered_directly(space, people, exact_clusters):
    faces = [space.faces(people / person / f"{number}.pgm")[0] for person in ("s1", "s2") for number in (1, 2, 3)]
    points = np.stack([face.embedding for face in faces])
    cut = space.clustering.threshold
    np.testing.assert_array_equal(cluster(points, threshold=cut), exact_clusters(points, cut))
    np.testing.assert_array_equal(cluster(faces, threshold=cut), cluster(points, threshold=cut))
    np.testing.assert_array_equal(cluster(points.tolist(), threshold=cut), cluster(points, threshold=cut))
    assert cluster([], threshold=cut).shape == (0,)


def test_points_need_a_threshold(space):
    with pytest.raises(DataError, match="give a threshold"):
        cluster(np.eye(3))
    with pytest.raises(DataError, match="give photos: a folder"):
        cluster(space)
