"""The OpenAPI description: what FastAPI derives from the routes, plus the security scheme and problems."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from facespace import __version__
from facespace.schemas import Problem
from facespace.server.keys import Scope

# Name of the security scheme.
SCHEME = "key"

DESCRIPTION = (
    "Face verification, identification and clustering. Send photos as multipart forms, or as JSON with photos in "
    "base64. Errors are `application/problem+json` (RFC 9457): `type` identifies the kind of problem, and `detail` "
    "says what was wrong and what to do."
)

TAGS = {
    "photos": "Detect, verify and identify faces in photos. Photos are not stored.",
    "people": "Manage the people in the gallery and their faces.",
    "cluster": "Group the faces in many photos by person, as a background job.",
    "models": "The model of this service, its card and its curves.",
    "service": "Capabilities, health and metrics of this service.",
}

SCOPES = {
    Scope.VERIFY: "find and compare faces in photos, read the model card",
    Scope.READ: "`verify`, and search the gallery and list its people",
    Scope.ENROL: "`read`, and enrol, rename, merge and move people, cluster photos",
    Scope.ADMIN: "`enrol`, and delete people and faces, see the jobs of all callers, read metrics",
    Scope.EMBEDDINGS: "get embeddings in responses; not included in other scopes",
    Scope.EMBEDDING_SEARCH: "search the gallery by embedding; not included in other scopes",
    Scope.METRICS: "read `/metrics` only",
}


def describe(app: FastAPI, keys: bool) -> None:
    """Add the security scheme and the problems to the OpenAPI description of an app.

    Parameters
    ----------
    app : FastAPI
    keys : bool
        Whether requests need an API key. If not, authentication is described as optional.
    """

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _described(app, keys)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _described(app: FastAPI, keys: bool) -> dict[str, Any]:
    found = get_openapi(
        title="facespace",
        version=__version__,
        description=DESCRIPTION,
        routes=app.routes,
        tags=[{"name": name, "description": text} for name, text in TAGS.items()],
        license_info={"name": "MIT", "identifier": "MIT"},
    )
    allowed = "; ".join(f"`{scope.value}`: {text}" for scope, text in SCOPES.items())
    components = found.setdefault("components", {})
    # FastAPI collects the schemas of responses, but not that of problems.
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}", mode="serialization")
    components["schemas"] |= {**problem.pop("$defs", {}), Problem.__name__: problem}
    components["securitySchemes"] = {
        SCHEME: {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "fs_...",
            "description": f"An API key (`facespace keys add`): `Authorization: Bearer fs_...`. Scopes: {allowed}.",
        }
    }
    for methods in found["paths"].values():
        for operation in methods.values():
            if not keys and "security" in operation:
                operation["security"] = [*operation["security"], {}]
    return found
