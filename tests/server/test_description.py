"""The OpenAPI description and the API reference at /docs."""

import re
from html.parser import HTMLParser

import pytest

from facespace.server.app import create_app
from facespace.server.keys import KeyFile, Scope
from facespace.server.problems import KINDS
from facespace.server.settings import Settings


@pytest.fixture(scope="module")
def description():
    return create_app(Settings()).openapi()


def operations(description):
    return [
        (path, method, operation)
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    ]


def references(part):
    if isinstance(part, dict):
        yield from [part["$ref"]] if isinstance(part.get("$ref"), str) else []
        part = list(part.values())
    if isinstance(part, list):
        for inner in part:
            yield from references(inner)


def test_every_security_requirement_has_an_existing_scheme_and_scope(description):
    schemes = description["components"]["securitySchemes"]
    assert {(scheme["type"], scheme["scheme"]) for scheme in schemes.values()} == {("http", "bearer")}
    for scope in Scope:
        assert f"`{scope.value}`" in schemes["key"]["description"]
    used = [way for _, _, operation in operations(description) for way in operation.get("security", [])]
    assert {scope for way in used for scopes in way.values() for scope in scopes} == {
        scope.value for scope in Scope
    } - {"embeddings"}
    assert all(name in schemes for way in used for name in way)


def test_without_keys_authentication_is_described_as_optional(description, tmp_path):
    with_keys = create_app(Settings(keys=tmp_path / "keys.json")).openapi()
    for (path, _, optional), (_, _, needed) in zip(operations(description), operations(with_keys), strict=True):
        assert {} in optional.get("security", [{}]), path
        assert {} not in needed.get("security", []), path


def test_every_reference_in_the_description_resolves(description):
    for reference in references(description):
        place = description
        for part in reference.removeprefix("#/").split("/"):
            assert part in place, reference
            place = place[part]


def test_every_problem_of_a_route_exists(description):
    for path, _, operation in operations(description):
        for status, answer in operation["responses"].items():
            if int(status) >= 400:
                for part in answer["description"].split("; "):
                    kind, _, title = part.partition(": ")
                    assert KINDS[kind] == (int(status), title), path


class _Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.loaded, self.open = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found["href"]] if tag == "a" else []
        if tag in ("script", "link", "img", "iframe", "style") or "style" in found:
            self.loaded.append((tag, found.get("href") or found.get("src")))
        if tag not in ("meta", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_reference_has_every_route_and_schema_and_loads_nothing_external(client):
    answer = client.get("/docs")
    assert answer.headers["content-type"].startswith("text/html")
    page = _Page(answer.text)
    assert page.loaded == [("link", "/docs/style.css")]
    assert page.open == []
    assert "style-src 'self'" in answer.headers["content-security-policy"]
    assert client.get("/docs/style.css").headers["content-type"].startswith("text/css")
    assert len(page.ids) == len(set(page.ids))
    for link in page.links:
        assert link == "/v1/openapi.json" or link.removeprefix("#") in page.ids, link
    description = client.get("/v1/openapi.json").json()
    for path, method, operation in operations(description):
        assert re.search(rf"{method.upper()}</span> <code>{re.escape(path)}</code>", answer.text), path
        for parameter in operation.get("parameters", []):
            assert f"<code>{parameter['name']}</code>" in answer.text
    assert set(description["components"]["schemas"]) <= set(page.ids)
    assert all(f"urn:facespace:{kind}" in answer.text for kind in KINDS)


def test_descriptions_are_escaped_in_the_reference():
    from facespace.server.reference import render

    evil = "<script>alert(1)</script>"
    page = render(
        {
            "info": {"title": evil, "version": evil, "description": evil},
            "tags": [{"name": evil, "description": evil}],
            "paths": {
                f"/{evil}": {"get": {"tags": [evil], "description": evil, "responses": {"200": {"description": ""}}}}
            },
            "components": {"securitySchemes": {}, "schemas": {"X": {"type": "object", "properties": {evil: {}}}}},
        }
    )
    assert "<script" not in page


def test_the_reference_needs_no_key(served, tmp_path):
    keys = KeyFile(tmp_path / "keys.json")
    keys.add("mine", (Scope.VERIFY,))
    client = served(keys=keys.path)
    assert client.get("/docs").status_code == 200
    assert client.get("/v1/models").status_code == 401
