"""Pages of other sites: refused, unless their origin is on the allow-list."""

import pytest

from facespace.errors import FacespaceError
from facespace.server.keys import KeyFile, Scope
from facespace.server.settings import Settings

SITE = "https://photos.example"
FROM_SITE = {"Origin": SITE, "Sec-Fetch-Site": "cross-site"}
PREFLIGHT = {**FROM_SITE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}


def test_no_other_site_is_allowed_unless_it_is_listed(client):
    answer = client.get("/v1/models", headers=FROM_SITE)
    assert answer.status_code == 403
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert client.options("/v1/verify", headers=PREFLIGHT).status_code == 405


def test_pages_of_a_listed_origin_may_ask_and_others_may_not(served, photo):
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


def test_a_listed_page_can_read_why_it_was_refused(served, tmp_path):
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


def test_a_name_that_was_pointed_at_this_machine_is_refused_still(served):
    client = served(cors=(SITE,))
    answer = client.get("/v1/models", headers={**FROM_SITE, "Host": "rebound.example"})
    assert answer.json()["type"] == "urn:facespace:cross-site"


@pytest.mark.parametrize(
    "text",
    ["*", "null", "", "photos.example", f"{SITE}/app", "https://*.example", "https://u@x", "https://x:y", "ftp://x"],
)
def test_what_is_no_origin_is_refused_when_the_service_is_set_up(text):
    with pytest.raises(FacespaceError, match="is no origin to allow; give one as in"):
        Settings(cors=(text,))


def test_origins_are_compared_as_browsers_write_them():
    written = ("https://Photos.Example:443/", "http://[::1]:80", "http://localhost:3000")
    assert Settings(cors=written).cors == (SITE, "http://[::1]", "http://localhost:3000")
