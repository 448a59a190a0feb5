"""The API reference at /docs: the OpenAPI description as plain HTML, without scripts and without network access.

Swagger UI and Redoc need megabytes of scripts, from another host or in the package; see docs/decisions/086.
"""

import re
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Response
from fastapi.responses import HTMLResponse

from facespace.server.problems import KINDS

STYLE = Path(__file__).with_name("reference.css")

Json = dict[str, Any]

_STATUSES = {"200": "success", "202": "accepted", "204": "success, no body"}


def add_reference(app: FastAPI) -> None:
    """Declare the page and its style sheet. They contain no data, so they need no API key."""
    made: list[str] = []

    @app.get("/docs", include_in_schema=False)
    async def page() -> HTMLResponse:
        if not made:
            made.append(render(app.openapi()))
        return HTMLResponse(made[0])

    @app.get("/docs/style.css", include_in_schema=False)
    async def style() -> Response:
        return Response(STYLE.read_bytes(), media_type="text/css")


def render(description: Json) -> str:
    """Render an OpenAPI 3.1 description as one HTML page."""
    info, tags = description["info"], list(description["tags"])
    operations = [
        (path, method, operation)
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    ]
    by_tag: dict[str, list[tuple[str, str, Json]]] = {tag["name"]: [] for tag in tags}
    for entry in operations:
        by_tag.setdefault(entry[2].get("tags", ["other"])[0], []).append(entry)
    tags += [{"name": name, "description": ""} for name in by_tag if name not in [tag["name"] for tag in tags]]
    contents = _list(
        f"{escape(tag['name'])}{_list(_operation_link(path, method) for path, method, _ in by_tag[tag['name']])}"
        for tag in tags
    )
    body = [
        f"<h1>{escape(info['title'])} <small>{escape(info['version'])}</small></h1>",
        f"<p>{_text(info['description'])}</p>",
        '<p>Machine-readable: <a href="/v1/openapi.json">/v1/openapi.json</a> (OpenAPI 3.1).</p>',
        *(f"<p>{_text(scheme['description'])}</p>" for scheme in description["components"]["securitySchemes"].values()),
        f'<nav aria-label="Routes"><h2>Routes</h2>{contents}</nav>',
        *(part for tag in tags for part in _tag(tag, by_tag[tag["name"]])),
        *_problems(),
        *_schemas(description["components"]["schemas"]),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(info['title'])}: HTTP reference</title>\n"
        '<link rel="stylesheet" href="/docs/style.css">\n</head>\n<body>\n<main>\n' + "\n".join(body) + "\n</main>\n"
        "</body>\n</html>\n"
    )


def _tag(tag: Json, operations: Iterable[tuple[str, str, Json]]) -> Iterable[str]:
    yield f"<h2>{escape(tag['name'])}</h2>\n<p>{_text(tag['description'])}</p>"
    for path, method, operation in operations:
        yield _operation(path, method, operation)


def _operation(path: str, method: str, operation: Json) -> str:
    scopes = [scope for way in operation.get("security", []) for names in way.values() for scope in names]
    parts = [
        f'<section id="{_anchor(path, method)}">',
        f'<h3><span class="method {method}">{method.upper()}</span> <code>{escape(path)}</code></h3>',
        f"<p>{_text(operation.get('description', ''))}</p>",
        f"<p>Scope: <code>{escape(scopes[0])}</code></p>" if scopes else "<p>No API key needed.</p>",
    ]
    if parameters := operation.get("parameters"):
        given = [
            (
                f"<code>{escape(one['name'])}</code>{_required(one.get('required', False))}",
                escape(one["in"]),
                _type(one["schema"]),
                _text(one.get("description", "")) + _default(one["schema"]),
            )
            for one in parameters
        ]
        parts.append(_table("Parameters", ("name", "in", "type", ""), given))
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        parts.append(f"<h4>Request body: <code>{escape(kind)}</code></h4>{_fields(content['schema'])}")
    answers = [(status, answer) for status, answer in operation["responses"].items() if int(status) < 400]
    rows = [(f"<code>{status}</code>", _STATUSES.get(status, ""), _bodies(answer)) for status, answer in answers]
    parts.append(_table("Responses", ("status", "", "body"), rows))
    # Descriptions have the form 'kind: title; kind: title'; see `described`.
    kinds = [
        f"{status} <code>{escape(part.partition(':')[0])}</code>"
        for status, answer in sorted(operation["responses"].items())
        if int(status) >= 400
        for part in answer["description"].split("; ")
    ]
    parts.append(f'<p><a href="#problems">Problems</a>: {", ".join(kinds)}</p>')
    return "\n".join([*parts, "</section>"])


def _problems() -> Iterable[str]:
    rows = [
        (f"<code>urn:facespace:{kind}</code>", f"<code>{status}</code>", escape(title))
        for kind, (status, title) in KINDS.items()
    ]
    yield '<h2 id="problems">Problem types</h2>'
    yield _table("Values of <code>type</code>", ("type", "status", "title"), rows)


def _schemas(schemas: Json) -> Iterable[str]:
    yield "<h2>Schemas</h2>"
    for name, schema in schemas.items():
        yield (
            f'<section id="{escape(name)}"><h3>{escape(name)}</h3><p>{_text(schema.get("description", ""))}</p>'
            f"{_fields(schema, described=False)}</section>"
        )


def _fields(schema: Json, described: bool = True) -> str:
    """Render the fields of an object as a table, or another schema as a line."""
    if "properties" not in schema:
        meaning = f": {_text(schema['description'])}" if described and "description" in schema else ""
        return f"<p>{_type(schema)}{meaning}</p>"
    required = schema.get("required", [])
    rows = [
        (
            f"<code>{escape(name)}</code>{_required(name in required)}",
            _type(field),
            _text(field.get("description", field.get("items", {}).get("description", ""))) + _default(field),
        )
        for name, field in schema["properties"].items()
    ]
    return _table("Fields", ("name", "type", ""), rows)


def _type(schema: Json) -> str:
    """Describe a type, with links to the schemas it refers to."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if choices := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
        return " or ".join(dict.fromkeys(_type(choice) for choice in choices))
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return " or ".join(f"<code>{escape(str(value))}</code>" for value in values)
    kind = schema.get("type", "any JSON")
    if kind == "array":
        if "prefixItems" in schema:
            return f"list of {len(schema['prefixItems'])}: {_type(schema['prefixItems'][0])}"
        return f"list of {_type(schema.get('items', {}))}{_range(schema, 'Items', ' items')}"
    if kind == "object" and "properties" in schema:
        return "object with " + ", ".join(f"<code>{escape(name)}</code>" for name in schema["properties"])
    how = schema.get("format") or schema.get("contentEncoding")
    limits = _range(schema, "Length", " characters") if kind == "string" else _range(schema, "imum", "")
    return escape(kind) + (f" ({escape(how)})" if how else "") + limits


def _range(schema: Json, suffix: str, unit: str) -> str:
    low = schema.get(f"min{suffix}", schema.get("exclusiveMinimum") if suffix == "imum" else None)
    high = schema.get(f"max{suffix}", schema.get("exclusiveMaximum") if suffix == "imum" else None)
    if low is None and high is None:
        return ""
    words = f"at most {high}" if low is None else f"at least {low}" if high is None else f"{low} to {high}"
    return f", {words}{unit}"


def _bodies(answer: Json) -> str:
    return " or ".join(
        f"{_type(content['schema'])} (<code>{escape(kind)}</code>)"
        if content.get("schema")
        else f"<code>{escape(kind)}</code>"
        for kind, content in answer.get("content", {}).items()
    )


def _required(required: bool) -> str:
    return " <em>required</em>" if required else ""


def _default(schema: Json) -> str:
    if schema.get("default") is None:
        return ""
    return f" Default: <code>{escape(str(schema['default']))}</code>."


def _table(caption: str, heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f'<th scope="col">{name or "description"}</th>' for name in heads)
    body = "\n".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return (
        f'<div class="wide" tabindex="0" role="group" aria-label="{re.sub("<[^>]*>", "", caption)}"><table>'
        f"<caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>"
    )


def _operation_link(path: str, method: str) -> str:
    return f'<a href="#{_anchor(path, method)}">{method.upper()} {escape(path)}</a>'


def _anchor(path: str, method: str) -> str:
    return method + re.sub(r"[^a-z0-9_]+", "-", path.lower())


def _list(entries: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{entry}</li>" for entry in entries) + "</ul>"


def _text(text: str) -> str:
    """Render text with `code` as HTML."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
