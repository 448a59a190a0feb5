"""Verification, identification and clustering over HTTP."""

import base64
import io
import time

import numpy as np
import PIL.Image
import pytest


def enrol(client, name, *photos, **fields):
    files = [("photos", (f"{number}.pgm", photo)) for number, photo in enumerate(photos)]
    answer = client.post("/v1/people", files=files, data={"name": name, "min_quality": "0", **fields})
    assert answer.status_code == 200, answer.text
    return answer.json()


def wait_for(client, job):
    for _ in range(200):
        answer = client.get(f"/v1/cluster/{job}").json()
        if answer["state"] not in ("queued", "running"):
            return answer
        time.sleep(0.05)
    raise AssertionError(f"still {answer}")


def test_faces_come_with_crop_and_embedding_on_request(client, photo, space):
    plain = client.post("/v1/faces", content=photo("s1/1"), headers={"Content-Type": "image/x-portable-graymap"}).json()
    assert (plain["width"], plain["height"], len(plain["faces"])) == (92, 112, 1)
    assert plain["faces"][0]["embedding"] is None
    assert plain["faces"][0]["crop"] is None
    asked = client.post("/v1/faces?crops=true&embeddings=true", files={"photo": photo("s1/1")}).json()
    (face,) = asked["faces"]
    np.testing.assert_allclose(face["embedding"], space.embed(photo("s1/1"))[0], atol=1e-5)
    assert PIL.Image.open(io.BytesIO(base64.b64decode(face["crop"]))).size == (40, 48)
    assert asked["model"] == space.id


@pytest.mark.parametrize("other", ["s1/2", "s2/1"])
def test_verification_gives_the_result_of_the_library(client, photo, space, other):
    answer = client.post("/v1/verify?far=0.1", files={"a": photo("s1/1"), "b": photo(other)}).json()
    expected = space.verify(photo("s1/1"), photo(other), far=0.1)
    assert answer["same"] == expected.same
    assert answer["distance"] == pytest.approx(expected.distance, abs=1e-5)
    assert answer["threshold"] == expected.threshold
    assert answer["main_a"] == answer["main_b"] == 0
    assert answer["face_a"] == answer["face_b"] == 1
    for name in ("verdict", "headline", "rejection", "frr"):
        assert answer[name] == getattr(expected, name)
    assert "Of pairs of different people" in answer["explanation"]
    assert answer["notes"] == []
    absent = client.post("/v1/verify?face_b=2", files={"a": photo("s1/1"), "b": photo(other)})
    assert (absent.status_code, absent.json()["type"]) == (422, "urn:facespace:no-face")
    assert "shows one face, so there is no face 2" in absent.json()["detail"]


def test_a_person_is_enrolled_identified_renamed_merged_and_removed(client, photo):
    ada = enrol(client, "Ada", photo("s1/1"), photo("s1/2"), keep="true", attributes='{"team": 3}')
    assert ada["added"] == 2
    number = ada["person"]["person_id"]
    ben = enrol(client, "Jürgen 张伟", photo("s2/1"))["person"]["person_id"]
    found = client.post("/v1/identify", files={"photo": photo("s1/1")}).json()
    assert found["people"] == 2
    face = found["faces"][0]
    assert (face["candidates"][0]["name"], face["candidates"][0]["person_id"]) == ("Ada", number)
    accepted = face["candidates"][0]["adjusted_distance"] <= found["threshold"]
    assert (face["name"], face["person_id"]) == (("Ada", number) if accepted else (None, None))
    assert face["candidates"][0]["picture"] is not None
    picture = client.get(f"/v1/people/faces/{face['candidates'][0]['picture']}/picture")
    assert picture.headers["content-type"] == "image/webp"
    assert PIL.Image.open(io.BytesIO(picture.content)).format == "WEBP"
    assert client.patch(f"/v1/people/{number}", json={"name": "Ada L."}).json()["name"] == "Ada L."
    assert client.post(f"/v1/people/{ben}/merge", json={"into": number}).json()["faces"] == 3
    assert client.get(f"/v1/people/{number}").json()["merged"] == ["Jürgen 张伟"]
    undone = client.post(f"/v1/people/{number}/undo-merge").json()
    assert (undone["restored"]["person_id"], undone["person"]["faces"]) == (ben, 2)
    assert [p["name"] for p in client.get("/v1/people").json()["people"]] == ["Ada L.", "Jürgen 张伟"]
    assert client.get("/v1/people?search=jürgen").json()["total"] == 1
    assert client.delete(f"/v1/people/{number}").json()["faces"] == 2
    assert client.get(f"/v1/people/{number}").status_code == 404


def test_photos_are_clustered_and_answers_are_undone(client, photo):
    files = [("photos", (f"{p}-{i}.pgm", photo(f"s{p}/{i}"))) for p in (1, 2, 3) for i in (1, 2, 3)]
    started = client.post("/v1/cluster", files=files)
    assert started.status_code == 202
    job = started.json()["job"]
    done = wait_for(client, job)
    assert (done["state"], done["looked_at"], done["faces"]) == ("done", 9, 9)
    result = client.get(f"/v1/cluster/{job}/result").json()
    faces = [face["face"] for cluster in result["clusters"] for face in cluster["faces"]]
    assert sorted(faces) == list(range(1, 10))
    assert client.get(f"/v1/cluster/{job}/faces/1/picture").headers["content-type"] == "image/webp"
    assert client.get(f"/v1/cluster/{job}/questions").status_code == 200
    made = client.post(f"/v1/cluster/{job}/answers", json={"a": faces[0], "b": faces[-1], "same": True}).json()
    together = client.get(f"/v1/cluster/{job}/result").json()
    assert any({faces[0], faces[-1]} <= {f["face"] for f in c["faces"]} for c in together["clusters"])
    assert client.post(f"/v1/cluster/{job}/undo", json={}).json()["decision"] == made["decision"]
    assert client.get(f"/v1/cluster/{job}/result").json()["clusters"] == result["clusters"]
    assert client.delete(f"/v1/cluster/{job}").status_code == 204
    assert client.get(f"/v1/cluster/{job}").status_code == 404


def test_the_service_describes_itself_and_its_model(client, space):
    assert client.get("/v1/models").json()["models"][0]["space"] == space.id
    model = client.get("/v1/models/default").json()
    assert model["card"]["name"] == "random-weights"
    probabilities = [point["probability"] for point in model["probability"]]
    assert probabilities == sorted(probabilities, reverse=True)
    service = client.get("/v1/service").json()
    assert service["keeps_pictures"]
    assert service["gallery"]
    assert not service["keys"]


def test_the_map_shows_everyone(client, photo):
    for person in (1, 2, 3):
        enrol(client, f"P{person}", photo(f"s{person}/1"))
    found = client.get("/v1/people/map").json()
    assert sorted(point["name"] for point in found["points"]) == ["P1", "P2", "P3"]
    assert all(-1 <= point[axis] <= 1 for point in found["points"] for axis in "xy")


def test_without_a_gallery_photos_can_only_be_compared(served, photo):
    client = served(gallery=None)
    assert client.post("/v1/verify", files={"a": photo("s1/1"), "b": photo("s1/2")}).status_code == 200
    answer = client.get("/v1/people")
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:facespace:not-found")
