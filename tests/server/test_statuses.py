"""No face, several faces, low quality: each has one status and one problem type in all routes."""

import base64
import dataclasses
import io

import numpy as np
import PIL.Image
import pytest
from test_answers import enrol


@pytest.fixture(scope="module")
def blank():
    """A photo without faces."""
    content = io.BytesIO()
    PIL.Image.fromarray(np.full((112, 92), 128, np.uint8)).save(content, "PNG")
    return content.getvalue()


@pytest.fixture
def counting(served, photo, blank):
    """A service whose detector finds no face in a photo without contrast, and two faces side by side in a wide one."""
    client = served(keep_pictures=True)
    space = client.app.state.service.space
    space.finder = dataclasses.replace(space.finder, detector=_Counting(space.finder.detector))
    return client


class _Counting:
    """The detector of aligned faces, changed to find no face or two faces in some photos."""

    second_look = None

    def __init__(self, found_by):
        self._found_by, self.gives_landmarks = found_by, found_by.gives_landmarks

    def __call__(self, images):
        return [self._counted(image, found) for image, found in zip(images, self._found_by(images), strict=True)]

    def _counted(self, image, found):
        height, width = image.shape[:2]
        if image.std() < 1:
            return dataclasses.replace(found, boxes=found.boxes[:0], scores=found.scores[:0])
        if width > height:
            boxes = np.array([[0, 0, width / 2, height], [width / 2, 0, width, height]], found.boxes.dtype)
            return dataclasses.replace(found, boxes=boxes, scores=np.repeat(found.scores, 2))
        return found


@pytest.fixture
def couple(photo):
    """A photo with s1 on the left and s2 on the right."""
    sides = [np.asarray(PIL.Image.open(io.BytesIO(photo(name)))) for name in ("s1/1", "s2/1")]
    content = io.BytesIO()
    PIL.Image.fromarray(np.hstack(sides)).save(content, "PNG")
    return content.getvalue()


def kind(answer):
    return answer.status_code, answer.json()["type"].removeprefix("urn:facespace:")


def test_no_face_is_the_same_problem_in_all_routes(counting, photo, blank):
    ada = enrol(counting, "Ada", photo("s1/1"))["person"]["person_id"]
    one = {"photo": blank}
    assert kind(counting.post("/v1/verify", files={"a": photo("s1/1"), "b": blank})) == (422, "no-face")
    assert kind(counting.post(f"/v1/people/{ada}/verify", files=one)) == (422, "no-face")
    assert kind(counting.post("/v1/people", files=[("photos", blank)], data={"name": "B"})) == (422, "no-face")
    # For detection and identification, no face is a valid result.
    assert counting.post("/v1/faces", files=one).json()["faces"] == []
    assert counting.post("/v1/identify", files=one).json()["faces"] == []
    batch = counting.post("/v1/faces/batch", files=[("photos", blank)]).json()
    assert (batch["photos"][0]["faces"], batch["photos"][0]["failure"]) == ([], None)


def test_several_faces_are_a_problem_for_enrolment_only(counting, photo, couple):
    refused = counting.post("/v1/people", files=[("photos", couple)], data={"name": "Ada", "min_quality": "0"})
    assert kind(refused) == (422, "several-faces")
    assert "choose the face" in refused.json()["detail"]
    ada = enrol(counting, "Ada", photo("s1/1"))["person"]["person_id"]
    assert counting.post("/v1/verify", files={"a": photo("s1/1"), "b": couple}).status_code == 200
    left, right = (
        counting.post(f"/v1/people/{ada}/verify?face={face}", files={"photo": couple}).json() for face in (1, 2)
    )
    assert (left["face"], right["face"], len(left["photo"]["faces"])) == (1, 2, 2)
    assert "shows 2 faces" in left["note"]
    assert left["distance"] < 0.01 < right["distance"]


def test_the_chosen_face_of_a_photo_is_enrolled(counting, couple):
    for name, face in (("Ada", 1), ("Ben", 2)):
        made = enrol(counting, name, couple, face=str(face), keep="true")
        assert made["added"] == 1
    body = {"name": "Cleo", "photos": [base64.b64encode(couple).decode()], "face": 2, "min_quality": 0}
    cleo = counting.post("/v1/people", json=body).json()
    boxes = counting.post("/v1/faces", files={"photo": couple}).json()["faces"]
    for person, face in ((1, 0), (2, 1), (cleo["person"]["person_id"], 1)):
        kept = counting.get(f"/v1/people/{person}?embeddings=true").json()["kept"][0]
        assert kept["box"] == pytest.approx(boxes[face]["box"])
    found = counting.post("/v1/identify?top=1&unique=false", files={"photo": couple}).json()["faces"]
    assert found[0]["candidates"][0]["name"] == "Ada"
    assert cleo["lookalikes"][0]["name"] == "Ben"


@pytest.mark.parametrize("face", ["0", "3", "x", "-1"])
def test_a_face_number_that_does_not_exist_is_rejected(counting, couple, face):
    answer = counting.post("/v1/people", files=[("photos", couple)], data={"name": "Ada", "face": face})
    assert kind(answer) == ((422, "no-face") if face == "3" else (422, "invalid"))
    assert counting.get("/v1/people").json()["total"] == 0


def test_a_face_can_only_be_chosen_in_a_single_photo(counting, couple):
    files = [("photos", couple)] * 2
    answer = counting.post("/v1/people", files=files, data={"name": "Ada", "face": "1"})
    assert kind(answer) == (422, "invalid")
    assert "send that photo alone" in answer.json()["detail"]


def test_every_rejected_photo_has_a_problem_type(counting, photo, blank, couple):
    files = [("photos", content) for content in (blank, couple, b"no photo", photo("s1/1"))]
    answer = counting.post("/v1/people", files=files, data={"name": "Ada", "min_quality": "0"}).json()
    assert [(failure["photo"], failure["type"].rpartition(":")[2]) for failure in answer["failures"]] == [
        (0, "no-face"),
        (1, "several-faces"),
        (2, "image"),
    ]
    refused = counting.post("/v1/people", files=files[:3], data={"name": "Ben"})
    assert kind(refused) == (422, "not-enrolled")
    assert [entry["field"] for entry in refused.json()["errors"]] == [f"body.photos.{place}" for place in range(3)]
    assert kind(counting.post("/v1/people", files=files[2:3], data={"name": "Ben"})) == (422, "image")
