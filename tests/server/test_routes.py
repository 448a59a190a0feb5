"""Every route that documentation or code mentions exists."""

import re
from functools import cache
from pathlib import Path

import facespace
from facespace.server.app import create_app
from facespace.server.settings import Settings

# A route in text or code. Parts in capitals, braces or digits are values.
ROUTE = re.compile(r"(?<![\w.])/(?:v1/[\w/{}$.-]+|(?:healthz|readyz|metrics)\b)")
VALUE = re.compile(r"\$?\{[^}/]*\}?|\b(?:[A-Z]+|\d+)\b|\$\w+")


@cache
def routes():
    """Return all routes, with * for each value."""
    paths = {getattr(route, "path", "") for route in create_app(Settings()).routes}
    return {VALUE.sub("*", path) for path in paths}


def named_in(text):
    """Return the routes, and prefixes of routes, that a text mentions, with * for each value."""
    return {VALUE.sub("*", found).rstrip("./").removesuffix("-") for found in ROUTE.findall(text)}


def unknown_in(text):
    # A literal can be a value, and a prefix is the start of a route.
    patterns = [re.escape(path).replace(r"\*", "[^/]+") for path in routes()]
    prefixes = {path[: at.start()] for path in routes() for at in re.finditer(r"/", path)}
    served = re.compile("|".join(patterns))
    return {route for route in named_in(text) - prefixes if not served.fullmatch(route)}


def test_an_unknown_route_is_detected():
    assert unknown_in("see /v1/faces/N/picture, /v1/people/7/merge, GET /v1/models. /readyz and /metrics") == {
        "/v1/faces/*/picture"
    }


def test_routes_in_the_openapi_description_exist():
    text = str(create_app(Settings()).openapi())
    assert len(named_in(text)) > 10
    assert unknown_in(text) == set()


def test_routes_in_documentation_and_code_exist():
    root, package = Path(__file__).parents[2], Path(facespace.__file__).parent
    files = [root / "README.md", *(root / "docs").rglob("*.md"), *(root / "deploy").glob("*")]
    files += [path for kind in ("py", "js", "html") for path in package.rglob(f"*.{kind}")]
    files = [path for path in files if path.is_file()]
    texts = {path: path.read_text("utf-8") for path in files}
    assert sum(bool(named_in(text)) for text in texts.values()) > 10
    assert {str(path): unknown for path, text in texts.items() if (unknown := unknown_in(text))} == {}
