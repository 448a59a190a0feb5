"""Whatever names a route of the service, documentation or code, names one that is there."""

import re
from functools import cache
from pathlib import Path

import facespace
from facespace.server.app import create_app
from facespace.server.settings import Settings

# A route in running text or code; parts in capitals, braces or digits stand for values.
ROUTE = re.compile(r"(?<![\w.])/(?:v1/[\w/{}$.-]+|(?:healthz|readyz|metrics)\b)")
VALUE = re.compile(r"\$?\{[^}/]*\}?|\b(?:[A-Z]+|\d+)\b|\$\w+")


@cache
def routes():
    """Paths that are served, with * for each value."""
    paths = {getattr(route, "path", "") for route in create_app(Settings()).routes}
    return {VALUE.sub("*", path) for path in paths}


def named_in(text):
    """Routes that a text names, with * for each value; the part of a path before a value built elsewhere is one too."""
    return {VALUE.sub("*", found).rstrip("./").removesuffix("-") for found in ROUTE.findall(text)}


def unknown_in(text):
    # A literal may stand for a value, and the start of a path for all that follow it.
    patterns = [re.escape(path).replace(r"\*", "[^/]+") for path in routes()]
    prefixes = {path[: at.start()] for path in routes() for at in re.finditer(r"/", path)}
    served = re.compile("|".join(patterns))
    return {route for route in named_in(text) - prefixes if not served.fullmatch(route)}


def test_a_route_that_is_not_there_is_found():
    assert unknown_in("see /v1/faces/N/picture, /v1/people/7/merge, GET /v1/models. /readyz and /metrics") == {
        "/v1/faces/*/picture"
    }


def test_the_description_of_the_service_names_routes_that_are_there():
    text = str(create_app(Settings()).openapi())
    assert len(named_in(text)) > 10
    assert unknown_in(text) == set()


def test_documentation_and_code_name_routes_that_are_there():
    root, package = Path(__file__).parents[2], Path(facespace.__file__).parent
    files = [root / "README.md", *(root / "docs").rglob("*.md"), *(root / "deploy").glob("*")]
    files += [path for kind in ("py", "js", "html") for path in package.rglob(f"*.{kind}")]
    files = [path for path in files if path.is_file()]
    texts = {path: path.read_text("utf-8") for path in files}
    assert sum(bool(named_in(text)) for text in texts.values()) > 10
    assert {str(path): unknown for path, text in texts.items() if (unknown := unknown_in(text))} == {}
