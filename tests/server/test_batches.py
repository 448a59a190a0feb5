"""Several photos in one request: the results are those of single requests, and an unusable photo fails alone."""

import pytest
from test_answers import enrol


def photos_of(*contents):
    return [("photos", (f"{place}.pgm", content)) for place, content in enumerate(contents)]


def test_faces_of_a_batch_are_those_of_single_requests(client, photo):
    names = ["s1/1", "s2/1", "s3/1", "s1/2", "s2/2", "s3/2", "s4/1", "s4/2", "s5/1"]
    answer = client.post("/v1/faces/batch?embeddings=true", files=photos_of(*map(photo, names))).json()
    assert [(entry["photo"], entry["name"]) for entry in answer["photos"]] == [(n, f"{n}.pgm") for n in range(9)]
    for name, entry in zip(names, answer["photos"], strict=True):
        alone = client.post("/v1/faces?embeddings=true", files={"photo": photo(name)}).json()
        assert entry["failure"] is None
        assert (entry["width"], answer["model"]) == (alone["width"], alone["model"])
        assert entry["faces"][0]["box"] == alone["faces"][0]["box"]
        assert entry["faces"][0]["embedding"] == pytest.approx(alone["faces"][0]["embedding"], abs=1e-5)


def test_an_unusable_photo_does_not_fail_the_batch(client, photo):
    enrol(client, "Ada", photo("s1/1"))
    files = photos_of(photo("s1/1"), b"no photo", photo("s2/1"))
    for path in ("/v1/faces/batch", "/v1/identify/batch"):
        answer = client.post(path, files=files)
        assert answer.status_code == 200
        used, broken, also = answer.json()["photos"]
        assert broken["failure"]["type"] == "urn:facespace:image"
        assert "1.pgm is not an image" in broken["failure"]["detail"]
        assert broken["faces"] == []
        assert [len(entry["faces"]) for entry in (used, also)] == [1, 1]


def test_a_batch_identifies_like_single_requests_and_audits_every_search(client, photo):
    enrol(client, "Ada", photo("s1/1"), photo("s1/2"))
    enrol(client, "Ben", photo("s2/1"))
    names = ["s1/3", "s2/2", "s3/1"]
    answer = client.post("/v1/identify/batch?top=1", files=photos_of(*map(photo, names))).json()
    assert answer["people"] == 2
    for name, entry in zip(names, answer["photos"], strict=True):
        alone = client.post("/v1/identify?top=1", files={"photo": photo(name)}).json()
        assert answer["threshold"] == alone["threshold"]
        mine, its = entry["faces"][0], alone["faces"][0]
        assert (mine["person_id"], mine["candidates"][0]["name"]) == (its["person_id"], its["candidates"][0]["name"])
    events = [event for event in client.app.state.service.gallery.audit() if event.action == "search"]
    assert len(events) == 2 * len(names)


def test_embeddings_of_a_batch_need_their_scope(served, photo, tmp_path):
    from facespace.server.keys import KeyFile, Scope

    keys = KeyFile(tmp_path / "keys.json")
    mine = {"Authorization": f"Bearer {keys.add('mine', (Scope.READ,))}"}
    client = served(keys=keys.path)
    for path in ("/v1/faces/batch", "/v1/identify/batch"):
        refused = client.post(f"{path}?embeddings=true", files=photos_of(photo("s1/1")), headers=mine)
        assert refused.json()["type"] == "urn:facespace:scope"


def test_more_photos_than_the_limit_are_rejected(served, photo):
    client = served(photos=2)
    assert client.post("/v1/faces/batch", files=photos_of(*[photo("s1/1")] * 3)).status_code == 422
    assert client.post("/v1/faces/batch", json={"photos": ["eHh4"] * 3}).json()["errors"][0]["field"] == "body.photos"
