"""No face, several faces, a face not good enough: one status and one kind of problem each, wherever it is met."""

import base64
import dataclasses
import io

import numpy as np
import PIL.Image
import pytest
from test_answers import enrol


@pytest.fixture(scope="module")
def blank():
    """A photo that shows nobody."""
    content = io.BytesIO()
    PIL.Image.fromarray(np.full((112, 92), 128, np.uint8)).save(content, "PNG")
    return content.getvalue()


@pytest.fixture
def counting(served, photo, blank):
    """A service whose detector finds nobody in a photo without contrast, and two faces side by side in a wide one."""
    client = served(keep_pictures=True)
    space = client.app.state.service.space
    space.finder = dataclasses.replace(space.finder, detector=_Counting(space.finder.detector))
    return client


class _Counting:
    """The detector of aligned faces: one photo, one face. Here none, or two, by how the photo looks."""

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
    """s1 on the left, s2 on the right."""
    sides = [np.asarray(PIL.Image.open(io.BytesIO(photo(name)))) for name in ("s1/1", "s2/1")]
    content = io.BytesIO()
    PIL.Image.fromarray(np.hstack(sides)).save(content, "PNG")
    return content.getvalue()


def kind(answer):
    return answer.status_code, answer.json()["type"].removeprefix("urn:facespace:")


def test_no_face_is_one_kind_of_problem_wherever_a_face_is_needed(counting, photo, blank):
    ada = enrol(counting, "Ada", photo("s1/1"))["person"]["person"]
    one = {"photo": blank}
    assert kind(counting.post("/v1/verify", files={"a": photo("s1/1"), "b": blank})) == (422, "no-face")
    assert kind(counting.post(f"/v1/people/{ada}/verify", files=one)) == (422, "no-face")
    assert kind(counting.post("/v1/people", files=[("photos", blank)], data={"name": "B"})) == (422, "no-face")
    # Where faces are looked for, finding none is an answer.
    assert counting.post("/v1/faces", files=one).json()["faces"] == []
    assert counting.post("/v1/identify", files=one).json()["faces"] == []
    batch = counting.post("/v1/faces/batch", files=[("photos", blank)]).json()
    assert (batch["photos"][0]["faces"], batch["photos"][0]["failure"]) == ([], None)


def test_several_faces_are_a_problem_where_one_would_be_kept_and_a_choice_elsewhere(counting, photo, couple):
    refused = counting.post("/v1/people", files=[("photos", couple)], data={"name": "Ada", "least_quality": "0"})
    assert kind(refused) == (422, "several-faces")
    assert "choose which to enrol" in refused.json()["detail"]
    ada = enrol(counting, "Ada", photo("s1/1"))["person"]["person"]
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
    body = {"name": "Cleo", "photos": [base64.b64encode(couple).decode()], "face": 2, "least_quality": 0}
    cleo = counting.post("/v1/people", json=body).json()
    boxes = counting.post("/v1/faces", files={"photo": couple}).json()["faces"]
    for person, face in ((1, 0), (2, 1), (cleo["person"]["person"], 1)):
        kept = counting.get(f"/v1/people/{person}?embeddings=true").json()["kept"][0]
        assert kept["box"] == pytest.approx(boxes[face]["box"])
    found = counting.post("/v1/identify?top=1&once=false", files={"photo": couple}).json()["faces"]
    assert found[0]["candidates"][0]["name"] == "Ada"
    assert cleo["alike"][0]["name"] == "Ben"


@pytest.mark.parametrize("face", ["0", "3", "x", "-1"])
def test_a_face_that_is_not_there_is_refused(counting, couple, face):
    answer = counting.post("/v1/people", files=[("photos", couple)], data={"name": "Ada", "face": face})
    assert kind(answer) == ((422, "no-face") if face == "3" else (422, "invalid"))
    assert counting.get("/v1/people").json()["total"] == 0


def test_a_face_is_chosen_of_one_photo_alone(counting, couple):
    files = [("photos", couple)] * 2
    answer = counting.post("/v1/people", files=files, data={"name": "Ada", "face": "1"})
    assert kind(answer) == (422, "invalid")
    assert "send it alone" in answer.json()["detail"]


def test_photos_that_cannot_be_enrolled_are_each_named_with_their_kind(counting, photo, blank, couple):
    files = [("photos", content) for content in (blank, couple, b"no photo", photo("s1/1"))]
    answer = counting.post("/v1/people", files=files, data={"name": "Ada", "least_quality": "0"}).json()
    assert [(failure["photo"], failure["type"].rpartition(":")[2]) for failure in answer["failures"]] == [
        (0, "no-face"),
        (1, "several-faces"),
        (2, "image"),
    ]
    refused = counting.post("/v1/people", files=files[:3], data={"name": "Ben"})
    assert kind(refused) == (422, "not-enrolled")
    assert [entry["field"] for entry in refused.json()["errors"]] == [f"body.photos.{place}" for place in range(3)]
    assert kind(counting.post("/v1/people", files=files[2:3], data={"name": "Ben"})) == (422, "image")
