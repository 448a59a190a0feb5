"""Verification of a photo against a person, and search by embedding."""

import pytest
from test_answers import enrol

from facespace.server.keys import KeyFile, Scope


def test_a_person_with_one_photo_is_verified_like_two_photos(client, photo):
    ada = enrol(client, "Ada", photo("s1/1"))["person"]["person_id"]
    enrol(client, "Ben", photo("s2/1"))
    for other in ("s1/2", "s2/1", "s3/1"):
        answer = client.post(f"/v1/people/{ada}/verify?far=0.1", files={"photo": photo(other)}).json()
        pair = client.post("/v1/verify?far=0.1", files={"a": photo("s1/1"), "b": photo(other)}).json()
        assert (answer["person_id"], answer["name"], answer["face"]) == (ada, "Ada", 1)
        # The gallery stores half precision.
        assert answer["distance"] == pytest.approx(pair["distance"], abs=2e-3)
        # The same measure as for search candidates, which use one byte per dimension.
        (face,) = client.post("/v1/identify", files={"photo": photo(other)}).json()["faces"]
        searched = next(candidate for candidate in face["candidates"] if candidate["person_id"] == ada)
        assert answer["adjusted_distance"] == pytest.approx(searched["distance"], abs=5e-3)
        assert (answer["threshold"], answer["far"]) == (pair["threshold"], 0.1)
        assert answer["same"] == (answer["adjusted_distance"] <= answer["threshold"])
        assert (answer["verdict"] == "same") == answer["same"]
        assert answer["explanation"].startswith("The squared distance is")
        assert answer["note"] is None
    event = next(e for e in client.app.state.service.gallery.audit() if e.action == "verify")
    assert event.detail["person"] == ada


def test_an_unknown_id_is_not_found_and_a_person_without_faces_is_a_conflict(client, photo):
    ada = enrol(client, "Ada", photo("s1/1"))["person"]["person_id"]
    sent = {"photo": photo("s1/1")}
    missing = client.post("/v1/people/99/verify", files=sent)
    assert (missing.status_code, missing.json()["type"]) == (404, "urn:facespace:not-found")
    (face,) = client.get(f"/v1/people/{ada}").json()["kept"]
    client.delete(f"/v1/people/faces/{face['face']}")
    empty = client.post(f"/v1/people/{ada}/verify", files=sent)
    assert (empty.status_code, empty.json()["type"]) == (409, "urn:facespace:conflict")
    assert "enrol a photo first" in empty.json()["detail"]


def test_the_chosen_face_is_compared_and_a_missing_one_is_rejected(client, photo):
    ada = enrol(client, "Ada", photo("s1/1"))["person"]["person_id"]
    assert client.post(f"/v1/people/{ada}/verify?face=1", files={"photo": photo("s1/1")}).json()["face"] == 1
    answer = client.post(f"/v1/people/{ada}/verify?face=2", files={"photo": photo("s1/1")})
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:facespace:no-face")
    assert "shows one face, so there is no face 2" in answer.json()["detail"]


def test_search_by_embedding_gives_the_result_of_identify(client, photo):
    for person in (1, 2, 3):
        enrol(client, f"P{person}", photo(f"s{person}/1"))
    faces = [client.post("/v1/faces?embeddings=true", files={"photo": photo(f"s{p}/2")}).json() for p in (1, 2, 3)]
    probes = {"model": faces[0]["model"], "embeddings": [face["faces"][0]["embedding"] for face in faces]}
    answer = client.post("/v1/search?top=2&fpir=0.5", json=probes).json()
    assert answer["people"] == 3
    for person, match in zip((1, 2, 3), answer["matches"], strict=True):
        its = client.post("/v1/identify?top=2&fpir=0.5", files={"photo": photo(f"s{person}/2")}).json()
        assert answer["threshold"] == its["threshold"]
        (face,) = its["faces"]
        assert (match["person_id"], match["name"]) == (face["person_id"], face["name"])
        assert [c["person_id"] for c in match["candidates"]] == [c["person_id"] for c in face["candidates"]]
        assert match["candidates"][0]["distance"] == pytest.approx(face["candidates"][0]["distance"], abs=1e-4)


@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        ({"model": "0" * 64}, "body.model", "this service uses the space"),
        ({"embeddings": [[1.0] + [0.0] * 126]}, "body.embeddings", "must have shape (n, 128), not (1, 127)"),
        ({"embeddings": [[1.0] + [0.0] * 127, [0.0] * 128]}, "body.embeddings", "row 1 of embeddings is all zeros"),
        ({"embeddings": [[1.0, 1.0] + [0.0] * 126]}, "body.embeddings", "row 0 of embeddings has L2 norm 1.414"),
        ({"embeddings": [[2.0] + [0.0] * 127]}, "body.embeddings.0.0", "less than or equal to 1.01"),
        ({"embeddings": [[1.0] + [0.0] * 127, [1.0]]}, "body.embeddings", "of one length"),
        ({"embeddings": [["x"] * 128]}, "body.embeddings.0.0", "valid number"),
        ({"embeddings": []}, "body.embeddings", "at least 1"),
        ({"model": None}, "body.model", "string"),
    ],
)
def test_embeddings_of_another_space_size_or_norm_are_rejected(client, changes, field, says):
    probes = {"model": "default", "embeddings": [[1.0] + [0.0] * 127]} | changes
    problem = client.post("/v1/search", json=probes).json()
    assert problem["type"] == "urn:facespace:invalid"
    assert problem["errors"][0]["field"] == field
    assert says in problem["errors"][0]["message"]


def test_search_by_embedding_needs_its_own_scope_and_is_audited(served, photo, tmp_path):
    keys = KeyFile(tmp_path / "keys.json")
    boss, mine = (
        {"Authorization": f"Bearer {keys.add(name, scopes)}"}
        for name, scopes in (("boss", (Scope.ADMIN, Scope.EMBEDDINGS)), ("mine", (Scope.EMBEDDING_SEARCH,)))
    )
    client = served(keys=keys.path)
    probes = {"model": "default", "embeddings": [[1.0] + [0.0] * 127]}
    refused = client.post("/v1/search", json=probes, headers=boss)
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:facespace:scope")
    client.post("/v1/people", files=[("photos", photo("s1/1"))], data={"name": "A", "min_quality": "0"}, headers=boss)
    assert client.post("/v1/search", json=probes, headers=mine).json()["people"] == 1
    assert client.get("/v1/people", headers=mine).status_code == 403
    events = [e for e in client.app.state.service.gallery.audit() if e.action == "search"]
    assert [event.actor for event in events] == ["key mine"]


def test_without_a_gallery_people_are_not_found(served, photo):
    client = served(gallery=None)
    assert client.post("/v1/people/1/verify", files={"photo": photo("s1/1")}).status_code == 404
    probes = {"model": "default", "embeddings": [[1.0] + [0.0] * 127]}
    assert client.post("/v1/search", json=probes).status_code == 404
