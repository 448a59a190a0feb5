"""Photos in JSON: the same results as with forms, and clear errors that do not repeat the request."""

import base64

import pytest
from test_answers import wait_for


def b64(content):
    return base64.b64encode(content).decode()


def test_json_and_forms_give_the_same_results(client, photo):
    one, two = photo("s1/1"), photo("s2/1")
    for path, fields in (
        ("/v1/faces?embeddings=true", {"photo": one}),
        ("/v1/verify", {"a": one, "b": two}),
        ("/v1/identify", {"photo": one}),
    ):
        form = client.post(path, files=fields)
        sent = client.post(path, json={name: b64(content) for name, content in fields.items()})
        assert sent.status_code == form.status_code == 200, sent.text
        assert sent.json() == form.json()


def test_a_person_is_enrolled_with_typed_json_fields(client, photo):
    body = {
        "name": "Jürgen 张伟",
        "photos": [{"name": "one.pgm", "content": b64(photo("s1/1"))}, b64(photo("s1/2"))],
        "attributes": {"team": 3},
        "min_quality": 0,
        "keep": True,
    }
    answer = client.post("/v1/people", json=body).json()
    assert (answer["added"], answer["person"]["attributes"]) == (2, {"team": 3})
    assert answer["person"]["picture"] is not None
    kept = client.get(f"/v1/people/{answer['person']['person_id']}").json()["kept"]
    assert kept[0]["photo"] == "one.pgm"


def test_photos_in_json_keep_their_names_when_clustered(client, photo):
    photos = [{"name": f"{n}.pgm", "content": b64(photo(f"s1/{n}"))} for n in (1, 2)]
    job = wait_for(client, client.post("/v1/cluster", json={"photos": photos}).json()["job"])
    clusters = client.get(f"/v1/cluster/{job['job']}/result").json()["clusters"]
    assert {face["photo"] for cluster in clusters for face in cluster["faces"]} == {"1.pgm", "2.pgm"}


def test_base64_can_be_a_data_url_or_wrapped_into_lines(client, photo):
    plain = b64(photo("s1/1"))
    broken = "\r\n".join(plain[at : at + 76] for at in range(0, len(plain), 76))
    answers = [
        client.post("/v1/faces", json={"photo": sent}).json()
        for sent in (plain, broken, f"data:image/x-portable-graymap;base64,{plain}")
    ]
    assert answers[0]["faces"]
    assert answers[0] == answers[1] == answers[2]


SECRET = "c2VjcmV0IQ"


@pytest.mark.parametrize(
    ("path", "body", "field", "says"),
    [
        ("/v1/faces", {"photo": SECRET}, "body.photo", "is not base64"),
        ("/v1/faces", {"photo": SECRET + "-_=="}, "body.photo", "is not base64"),
        ("/v1/faces", {"photo": f"data:image/png,{SECRET}"}, "body.photo", "a data: URL must contain base64"),
        ("/v1/faces", {"photo": ""}, "body.photo", "is empty"),
        ("/v1/faces", {"photo": 3}, "body.photo", "as a string"),
        ("/v1/faces", {"photo": {"data": SECRET}}, "body.photo", "`content` in base64"),
        ("/v1/faces", {"foto": SECRET}, "body.foto", "did you mean 'photo'?"),
        ("/v1/faces", [SECRET], "body", "must be a JSON object"),
        ("/v1/people", {"name": "Ada", "photos": SECRET}, "body.photos", "must be a list"),
        ("/v1/people", {"name": "Ada", "photos": [SECRET + "==", SECRET]}, "body.photos.1", "is not base64"),
        ("/v1/people", {"photos": [SECRET + "=="]}, "body.name", "required"),
        ("/v1/people", {"name": "A", "photos": [SECRET + "=="], "attributes": [1]}, "body.attributes", "JSON object"),
        ("/v1/people", {"name": "A", "photos": [SECRET + "=="], "keep": 7}, "body.keep", "boolean"),
    ],
)
def test_an_invalid_field_is_named_and_its_value_not_repeated(client, path, body, field, says):
    answer = client.post(path, json=body)
    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (422, "urn:facespace:invalid")
    assert [entry["field"] for entry in problem["errors"]] == [field]
    assert says in problem["errors"][0]["message"]
    assert SECRET not in answer.text


def test_a_missing_photo_and_invalid_json_are_rejected(client):
    none = client.post("/v1/verify", json={"a": b64(b"x")}).json()
    assert none["detail"] == "the request must have one photo in the field 'b', but has 0"
    for invalid in (b"{", b"[" * 100_000, b'{"photo": NaN}', b'"\\ud800"', b""):
        answer = client.post("/v1/faces", content=invalid, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["type"]) == (422, "urn:facespace:invalid")
    endless = b'{"name": "A", "photos": ["eHh4"], "attributes": {"n": 1e999}}'
    answer = client.post("/v1/people", content=endless, headers={"Content-Type": "application/json"})
    assert answer.json()["errors"][0]["field"] == "body.attributes"


def test_limits_apply_to_json_and_to_forms(served, photo):
    client = served(photo_bytes=12_000, request_bytes=30_000, cluster_bytes=90_000)
    assert client.post("/v1/faces", json={"photo": b64(photo("s1/1"))}).status_code == 200
    exact, more = ({"photo": b64(b"x" * size)} for size in (12_000, 12_001))
    assert client.post("/v1/faces", json=exact).json()["type"] == "urn:facespace:image"
    assert client.post("/v1/faces", json=more).status_code == 413
    # Several copies of a JSON body are in memory, so the larger limit of clustering forms does not apply.
    many = {"photos": [b64(b"x" * 9_000)] * 4}
    assert client.post("/v1/cluster", json=many).status_code == 413


def test_old_names_of_fields_and_parameters_still_work(client, photo):
    body = {"name": "Ada", "photos": [b64(photo("s1/1"))]}
    assert client.post("/v1/people", json=body | {"least_quality": 2}).json()["type"] == "urn:facespace:invalid"
    made = client.post("/v1/people", json=body | {"least_quality": 0}).json()
    assert made["person"]["person"] == made["person"]["person_id"]
    again = client.post("/v1/people", json=body | {"least_quality": 0}).json()
    assert (again["folded"], again["alike"]) == (again["duplicates"], again["lookalikes"])
    assert len(again["folded"]) == 1
    (face,) = client.post("/v1/identify?once=false&fpir=0.9", json={"photo": b64(photo("s1/1"))}).json()["faces"]
    assert face["person"] == face["person_id"] == face["candidates"][0]["person"] == made["person"]["person_id"]
