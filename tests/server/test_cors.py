"""CORS: pages of other sites are rejected unless their origin is allowed."""

import pytest

from facespace.errors import FacespaceError
from facespace.server.keys import KeyFile, Scope
from facespace.server.settings import Settings

SITE = "https://photos.example"
FROM_SITE = {"Origin": SITE, "Sec-Fetch-Site": "cross-site"}
PREFLIGHT = {**FROM_SITE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}


def test_no_other_site_is_allowed_by_default(client):
    answer = client.get("/v1/models", headers=FROM_SITE)
    assert answer.status_code == 403
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert client.options("/v1/verify", headers=PREFLIGHT).status_code == 405


def test_only_pages_of_allowed_origins_are_served(served, photo):
    client = served(cors=(SITE, "http://localhost:3000"))
    preflight = client.options("/v1/verify", headers=PREFLIGHT)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == SITE
    assert "access-control-allow-credentials" not in preflight.headers
    files = {"a": photo("s1/1"), "b": photo("s1/2")}
    answer = client.post("/v1/verify", files=files, headers=FROM_SITE)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, SITE)
    assert "X-Request-Id" in answer.headers["access-control-expose-headers"]
    for origin in ("https://evil.example", "http://photos.example", f"{SITE}.evil.example", f"{SITE}:8443", "null"):
        other = client.get("/v1/models", headers={"Origin": origin, "Sec-Fetch-Site": "cross-site"})
        assert other.json()["type"] == "urn:facespace:cross-site"
        assert "access-control-allow-origin" not in other.headers
        assert client.options("/v1/verify", headers={**PREFLIGHT, "Origin": origin}).status_code == 400


def test_a_page_of_an_allowed_origin_can_read_errors(served, tmp_path):
    keys = KeyFile(tmp_path / "keys.json")
    mine = {"Authorization": f"Bearer {keys.add('mine', (Scope.VERIFY,))}"}
    client = served(cors=(SITE,), keys=keys.path)
    for answer, kind in (
        (client.get("/v1/models", headers=FROM_SITE), "no-key"),
        (client.get("/v1/people", headers=FROM_SITE | mine), "scope"),
    ):
        assert answer.json()["type"] == f"urn:facespace:{kind}"
        assert answer.headers["access-control-allow-origin"] == SITE
    assert client.get("/v1/models", headers=FROM_SITE | mine).status_code == 200


def test_dns_rebinding_is_rejected_with_allowed_origins_too(served):
    client = served(cors=(SITE,))
    answer = client.get("/v1/models", headers={**FROM_SITE, "Host": "rebound.example"})
    assert answer.json()["type"] == "urn:facespace:cross-site"


@pytest.mark.parametrize(
    "text",
    ["*", "null", "", "photos.example", f"{SITE}/app", "https://*.example", "https://u@x", "https://x:y", "ftp://x"],
)
def test_an_invalid_origin_is_an_error_in_the_settings(text):
    with pytest.raises(FacespaceError, match="is not an origin; give one such as"):
        Settings(cors=(text,))


def test_origins_are_normalised_to_the_form_of_browsers():
    written = ("https://Photos.Example:443/", "http://[::1]:80", "http://localhost:3000")
    assert Settings(cors=written).cors == (SITE, "http://[::1]", "http://localhost:3000")
