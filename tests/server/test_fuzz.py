"""Fuzz tests: every response conforms to the OpenAPI description, without server errors."""

import io
import os
import string

import httpx
import numpy as np
import PIL.Image
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance
from test_answers import enrol

from facespace.server.app import create_app
from facespace.server.settings import Settings

# Requests per route.
EXAMPLES = int(os.environ.get("FACESPACE_FUZZ", "6"))


@pytest.fixture(scope="module")
def client(listening, photo, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    with (
        listening(gallery=str(folder / "people.db"), keep_pictures=True, timeout=10) as address,
        httpx.Client(base_url=address, timeout=20) as client,
    ):
        enrol(client, "Ada", photo("s1/1"), photo("s1/2"), keep="true")
        enrol(client, "Ben", photo("s2/1"))
        yield client


DESCRIPTION = schemathesis.openapi.from_dict(create_app(Settings()).openapi())
OPERATIONS = {result.ok().label: result.ok() for result in DESCRIPTION.get_all_operations()}


@pytest.mark.parametrize("route", OPERATIONS)
def test_every_route_conforms_to_the_openapi_description(route, client):
    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=OPERATIONS[route].as_strategy())
    def ask(case):
        response = case.call(base_url=str(client.base_url), timeout=20)
        case.validate_response(
            response, checks=[not_a_server_error, content_type_conformance, response_schema_conformance]
        )

    ask()


@pytest.fixture(scope="module")
def images(photo):
    """One face as JPEG, PNG, WebP, GIF and TIFF."""
    picture = PIL.Image.open(io.BytesIO(photo("s1/1"))).convert("RGB")
    found = []
    for kind in ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"):
        content = io.BytesIO()
        picture.save(content, kind)
        found.append(content.getvalue())
    return found


@settings(max_examples=10 * EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_damaged_photo_is_not_a_server_error(client, images, data):
    content = bytearray(data.draw(st.sampled_from(images)))
    for _ in range(data.draw(st.integers(0, 6))):
        content[data.draw(st.integers(0, min(len(content), 400) - 1))] = data.draw(st.integers(0, 255))
    content = bytes(content[: data.draw(st.integers(0, len(content)))])
    for path, files in (("/v1/faces", {"photo": content}), ("/v1/verify", {"a": content, "b": images[0]})):
        answer = client.post(path, files=files)
        assert answer.status_code in (200, 422), answer.text
        if answer.status_code == 422:
            assert answer.headers["content-type"] == "application/problem+json"


@settings(max_examples=10 * EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    body=st.binary(max_size=400),
    kind=st.sampled_from(["image/jpeg", "multipart/form-data", "multipart/form-data; boundary=x", "text/plain", ""]),
    path=st.sampled_from(["/v1/faces", "/v1/verify", "/v1/identify", "/v1/people", "/v1/cluster"]),
    framed=st.booleans(),
)
def test_an_arbitrary_body_is_not_a_server_error(client, body, kind, path, framed):
    if framed:
        body = b'--x\r\nContent-Disposition: form-data; name="photo"; filename="x"\r\n\r\n' + body + b"\r\n--x--\r\n"
    answer = client.post(path, content=body, headers={"Content-Type": kind} if kind else {})
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.json()["type"].startswith("urn:facespace:")


@settings(max_examples=3 * EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    name=st.text(max_size=30),
    attributes=st.one_of(
        st.none(), st.text(string.printable, max_size=30), st.just('{"a": NaN}'), st.just('{"\\ud800": 1}')
    ),
    quality=st.one_of(st.none(), st.text("0123456789.-einfa", max_size=6)),
)
def test_any_text_in_an_enrolment_form_is_accepted_or_rejected(client, photo, name, attributes, quality):
    form = {"name": name.encode("utf-8", "surrogatepass").decode("utf-8", "replace")}
    form |= {} if attributes is None else {"attributes": attributes}
    form |= {} if quality is None else {"min_quality": quality}
    answer = client.post("/v1/people", files=[("photos", photo("s3/1"))], data=form)
    assert answer.status_code in (200, 409, 422), answer.text
    assert client.get("/v1/people?limit=1000").status_code == 200


def test_a_decompression_bomb_is_rejected_before_it_is_decoded(client):
    pixels = PIL.Image.fromarray(np.zeros((9000, 9000), np.uint8))
    content = io.BytesIO()
    pixels.save(content, "PNG", compress_level=9)
    assert len(content.getvalue()) < 200_000
    answer = client.post("/v1/faces", files={"photo": content.getvalue()})
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:facespace:image")
    assert "81,000,000" in answer.json()["detail"] or "9,000 x 9,000" in answer.json()["detail"]
