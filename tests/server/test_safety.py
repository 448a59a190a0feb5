"""Keys, scopes, rates, limits, cross-site requests, headers and the log."""

import json
import logging
import socket
import time

import pytest
from test_answers import enrol

from facespace.errors import FacespaceError
from facespace.server.keys import KeyFile, KeysError, Rates, Scope, included
from facespace.server.run import serve
from facespace.server.settings import ENVIRONMENT, Settings


@pytest.fixture
def keys(tmp_path):
    return KeyFile(tmp_path / "keys.json")


@pytest.fixture
def guarded(served, keys):
    """Return a client of a service with keys, and a function for the headers of a key with some scopes."""
    made = {}

    def headers(*scopes, **more):
        if scopes not in made or more:
            made[scopes] = keys.add("-".join([*scopes, str(len(made))]), tuple(map(Scope, scopes)), **more)
        return {"Authorization": f"Bearer {made[scopes]}"}

    headers("admin")
    return served(keys=keys.path, keep_pictures=True), headers


def test_the_key_file_has_only_hashes_and_is_private(keys):
    key = keys.add("camera", (Scope.VERIFY,))
    assert key not in keys.path.read_text()
    assert keys.path.stat().st_mode & 0o777 == 0o600
    assert KeyFile(keys.path).caller(key).name == "camera"
    assert keys.caller(key + "x") is None
    with pytest.raises(KeysError, match="already has a key 'camera'"):
        keys.add("camera", (Scope.READ,))
    with pytest.raises(KeysError, match="did you mean 'camera'"):
        keys.remove("camra")


def test_a_removed_or_expired_key_is_rejected_at_once(guarded, keys):
    client, headers = guarded
    mine = headers("verify")
    assert client.get("/v1/models", headers=mine).status_code == 200
    keys.remove("verify-1")
    assert client.get("/v1/models", headers=mine).json()["type"] == "urn:facespace:no-key"
    late = headers("read", expires=time.time() - 1)
    assert client.get("/v1/models", headers=late).status_code == 401


def test_a_damaged_key_file_is_an_error(keys):
    keys.path.write_text('{"keys": [{"name": "x"}]}')
    with pytest.raises(KeysError, match="is not a key file"):
        keys.keys()
    keys.path.write_text("{")
    with pytest.raises(KeysError, match="cannot read the keys"):
        keys.keys()


def test_each_level_includes_the_previous_one():
    assert included(frozenset({Scope.ENROL})) == {Scope.VERIFY, Scope.READ, Scope.ENROL}
    assert Scope.EMBEDDINGS not in included(frozenset({Scope.ADMIN}))
    assert Scope.METRICS in included(frozenset({Scope.ADMIN}))
    assert included(frozenset({Scope.METRICS})) == {Scope.METRICS}
    assert included(frozenset({Scope.EMBEDDING_SEARCH})) == {Scope.EMBEDDING_SEARCH}
    assert Scope.EMBEDDING_SEARCH not in included(frozenset({Scope.ADMIN, Scope.EMBEDDINGS}))


# The scope of each route. A route that is missing here fails the test.
NEEDS = {
    "verify": {"/v1/faces", "/v1/faces/batch", "/v1/verify", "/v1/service", "/v1/models", "/v1/models/{space}"},
    "read": {
        "/v1/identify",
        "/v1/identify/batch",
        "/v1/people/map",
        "/v1/people/{person_id}/verify",
        "/v1/people/faces/{face}/picture",
    },
    "embedding-search": {"/v1/search"},
    "metrics": {"/metrics"},
    None: {"/healthz", "/readyz"},
}


def test_every_route_needs_the_right_scope(client):
    for path, methods in client.get("/v1/openapi.json").json()["paths"].items():
        for method, operation in methods.items():
            scope = operation["security"][0]["key"][0] if "security" in operation else None
            expected = next((need for need, paths in NEEDS.items() if path in paths), None)
            if path.startswith("/v1/cluster"):
                expected = "enrol"
            elif path.startswith("/v1/people") and path not in NEEDS["read"]:
                expected = {"get": "read", "delete": "admin"}.get(method, "enrol")
            assert scope == expected, (method, path)


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [("verify", (200, 403, 403, 403)), ("read", (200, 200, 403, 403)), ("enrol", (200, 200, 200, 403))],
)
def test_a_key_is_limited_to_its_scopes(guarded, photo, scope, allowed):
    client, headers = guarded
    client.headers = {}
    mine = headers(scope)
    asked = (
        client.post("/v1/verify", files={"a": photo("s1/1"), "b": photo("s1/2")}, headers=mine),
        client.get("/v1/people", headers=mine),
        client.post(
            "/v1/people",
            files=[("photos", photo("s1/1"))],
            data={"name": "Ada", "min_quality": "0"},
            headers=mine,
        ),
        client.delete("/v1/people/1", headers=mine),
    )
    assert tuple(answer.status_code for answer in asked) == allowed
    assert client.get("/v1/people").status_code == 401
    assert client.get("/v1/people").headers["www-authenticate"] == "Bearer"
    assert client.get("/healthz").status_code == 200


def test_embeddings_need_their_scope(guarded, photo):
    client, headers = guarded
    ask = {"content": photo("s1/1"), "headers": headers("admin") | {"Content-Type": "image/png"}}
    assert client.post("/v1/faces?embeddings=true", **ask).status_code == 403
    assert client.post("/v1/faces", **ask).json()["faces"][0]["embedding"] is None
    ask["headers"] = headers("verify", "embeddings") | {"Content-Type": "image/png"}
    assert len(client.post("/v1/faces?embeddings=true", **ask).json()["faces"][0]["embedding"]) == 128


def test_the_rate_of_a_key_is_enforced(guarded):
    client, headers = guarded
    mine = headers("verify", rate=2)
    answers = [client.get("/v1/models", headers=mine) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 429, 429]
    assert answers[2].json()["type"] == "urn:facespace:rate"
    assert 1 <= int(answers[2].headers["retry-after"]) <= 30


def test_the_rate_limit_is_a_token_bucket_divided_among_workers():
    class Asking:
        name, rate = "x", 60.0

    rates = Rates(workers=2)
    assert [rates.take(Asking, 0.0) for _ in range(30)] == [0.0] * 30
    assert rates.take(Asking, 0.0) == pytest.approx(2.0)
    assert rates.take(Asking, 2.0) == 0.0
    assert rates.take(Asking, 2.0) > 0


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Host": "rebound.example"},
    ],
)
def test_a_cross_site_request_is_rejected(client, headers):
    answer = client.get("/v1/people", headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:facespace:cross-site")


def test_the_page_of_the_service_is_allowed(client):
    own = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
    assert client.get("/v1/people", headers=own).status_code == 200


def test_payloads_beyond_the_limits_are_rejected(served, photo):
    client = served(photo_bytes=12_000, request_bytes=25_000, pixels=20_000)
    assert client.post("/v1/verify", files={"a": photo("s1/1"), "b": photo("s1/2")}).status_code == 200
    long = {"content": b"x" * 12_001, "headers": {"Content-Type": "image/jpeg"}}
    assert client.post("/v1/faces", **long).status_code == 413
    files = {"a": b"x" * 12_500, "b": b"x"}
    assert client.post("/v1/verify", files=files).status_code == 413
    chunks = (b"x" * 1000 for _ in range(40))
    streamed = client.post("/v1/faces", content=chunks, headers={"Content-Type": "image/jpeg"})
    assert streamed.json()["type"] == "urn:facespace:too-large"
    wide = b"P5 30000 1000 255\n"
    answer = client.post("/v1/faces", content=wide, headers={"Content-Type": "image/x-portable-graymap"})
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:facespace:image")


def test_a_photo_with_too_many_faces_is_rejected(served, photo):
    client = served(faces=1)
    assert client.post("/v1/faces", files={"photo": photo("s1/1")}).status_code == 200
    client.app.state.service.space.finder = _crowded(client.app.state.service.space.finder)
    answer = client.post("/v1/faces", files={"photo": photo("s1/1")})
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:facespace:image")
    assert "shows 2 faces, more than the 1 allowed" in answer.json()["detail"]


def _crowded(finder):
    import dataclasses

    import numpy as np

    def twice(images):
        return [
            dataclasses.replace(found, boxes=np.repeat(found.boxes, 2, 0), scores=np.repeat(found.scores, 2))
            for found in finder.detector(images)
        ]

    twice.gives_landmarks, twice.second_look = finder.detector.gives_landmarks, None
    return dataclasses.replace(finder, detector=twice)


def test_every_response_has_security_headers(client):
    for path in ("/healthz", "/v1/models", "/v1/people/99", "/nowhere"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert len(headers["x-request-id"]) == 16
    assert client.get("/v1/models").headers["cache-control"] == "no-store"


def test_the_log_has_no_personal_data(client, photo, caplog):
    caplog.set_level(logging.DEBUG)
    enrol(client, "Lovelace", photo("s1/1"), keep="true")
    client.post("/v1/identify?embeddings=true", files={"photo": ("lovelace.pgm", photo("s1/1"))})
    client.get("/v1/people?search=Lovelace")
    client.patch("/v1/people/1", json={"name": "Lovelace"})
    client.post("/v1/people", files=[("photos", ("lovelace.jpg", b"no photo"))], data={"name": "Lovelace"})
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    text = "\n".join(ours)
    assert text.count('"route": "/v1/people"') == 3
    assert "lovelace" not in text.lower()
    entries = [json.loads(line) for line in ours if line.startswith("{")]
    assert {"time", "id", "method", "route", "status", "ms"} <= set(entries[0])


def test_an_unexpected_error_is_a_problem_whose_message_is_not_logged(client, photo, caplog, monkeypatch):
    def broken(*_):
        raise RuntimeError("Lovelace")

    monkeypatch.setattr("facespace.server.photos.usable", broken)
    answer = client.post("/v1/faces", files={"photo": photo("s1/1")})
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:facespace:internal")
    assert "Lovelace" not in answer.text + caplog.text
    assert "RuntimeError" in caplog.text
    assert answer.headers["x-request-id"] in caplog.text


def test_every_search_is_audited_with_the_name_of_the_key(guarded, photo):
    client, headers = guarded
    mine = headers("read")
    for _ in range(2):
        client.post("/v1/identify", files={"photo": photo("s1/1")}, headers=mine)
    events = [e for e in client.app.state.service.gallery.audit() if e.action == "search"]
    assert [event.actor for event in events] == ["key read-1"] * 2
    client.app.state.service.gallery.store.audit.verify()


def test_thumbnails_are_stored_only_if_service_and_caller_agree(served, photo):
    client = served()
    files = [("photos", photo("s1/1"))]
    refused = client.post("/v1/people", files=files, data={"name": "Ada", "keep": "true", "min_quality": "0"})
    assert refused.status_code == 422
    person = enrol(client, "Ada", photo("s1/1"))["person"]
    assert person["picture"] is None
    assert client.get(f"/v1/people/{person['person_id']}").json()["kept"][0]["has_picture"] is False


def test_a_job_belongs_to_its_caller_and_is_deleted_when_it_expires(served, keys, photo, tmp_path):
    one, other, boss = (
        {"Authorization": f"Bearer {keys.add(name, (scope,))}"}
        for name, scope in (("one", Scope.ENROL), ("other", Scope.ENROL), ("boss", Scope.ADMIN))
    )
    client = served(keys=keys.path, job_seconds=60, jobs=tmp_path / "jobs")
    job = client.post("/v1/cluster", files=[("photos", photo("s1/1"))], headers=one).json()["job"]
    seen = [client.get(f"/v1/cluster/{job}", headers=who).status_code for who in (one, other, boss)]
    assert seen == [200, 404, 200]
    assert client.get("/v1/cluster", headers=other).json()["jobs"] == []
    assert client.app.state.service.jobs.sweep() == 0
    assert client.app.state.service.jobs.sweep(now=time.time() + 61) == 1
    assert list((tmp_path / "jobs").glob("c_*")) == []
    assert client.get(f"/v1/cluster/{job}", headers=one).status_code == 404


def test_it_listens_on_other_addresses_only_with_keys(keys, model_path):
    with pytest.raises(FacespaceError, match="without API keys, anyone who can reach 0.0.0.0:1"):
        serve(Settings(model=str(model_path)), "0.0.0.0", 1)
    with pytest.raises(FacespaceError, match="there is no key in .*keys.json"):
        serve(Settings(model=str(model_path), keys=keys.path), "0.0.0.0", 1)


def test_keep_alive_is_longer_than_that_of_clients_and_proxies(monkeypatch, model_path):
    # A request that is sent while the service closes the connection is lost, so the other side must close first.
    started = {}
    monkeypatch.setattr("uvicorn.run", lambda app, **settings: started.update(settings))
    monkeypatch.setenv(ENVIRONMENT, "{}")
    serve(Settings(model=str(model_path)), "127.0.0.1", 1)
    assert started["timeout_keep_alive"] > 60


def test_a_json_body_is_limited_too(client, monkeypatch):
    monkeypatch.setattr("facespace.server.routes.JSON_BYTES", 1000)
    long = b'{"name": "' + b"x" * 2000 + b'"}'
    as_json = {"Content-Type": "application/json"}
    answer = client.patch("/v1/people/1", content=long, headers=as_json)
    assert (answer.status_code, answer.json()["type"]) == (413, "urn:facespace:too-large")
    chunks = (long[at : at + 100] for at in range(0, len(long), 100))
    streamed = client.patch("/v1/people/1", content=chunks, headers=as_json)
    assert (streamed.status_code, streamed.json()["type"]) == (413, "urn:facespace:too-large")
    assert client.patch("/v1/people/1", json={"name": "Ada"}).status_code == 404


def test_a_json_body_that_does_not_arrive_times_out(listening):
    with (
        listening(timeout=0.3) as address,
        socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2]))) as asked,
    ):
        asked.sendall(
            b"POST /v1/cluster/c_AAAAAAAAAAAAAAAA/undo HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        )
        asked.settimeout(5)
        assert b" 408 " in asked.recv(4096).split(b"\r\n")[0]
