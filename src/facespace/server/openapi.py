"""The service's description in OpenAPI: what FastAPI derives from the routes, and how a request shows its key."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from facespace import __version__
from facespace.schemas import Problem
from facespace.server.keys import Scope

# Name of the security scheme that routes refer to.
SCHEME = "key"

DESCRIPTION = (
    "Face verification (are these two the same person?), identification (who is this, among the people of a gallery?) "
    "and clustering (who are all these people?). Photos are sent as forms, or in base64 as JSON. An error is "
    "`application/problem+json` (RFC 9457): `type` names the kind of problem, `detail` says what was wrong and what "
    "to do."
)

TAGS = {
    "photos": "Photos that are compared or searched for, and not kept.",
    "people": "The people of the gallery and their faces.",
    "cluster": "Groups of faces, made from many photos by a job.",
    "models": "The model that answers, and what its distances mean.",
    "service": "What this service is, whether it is well, and how much it does.",
}

SCOPES = {
    Scope.VERIFY: "compare photos, find their faces, read about the model",
    Scope.READ: "all of `verify`; search the gallery, see its people",
    Scope.ENROL: "all of `read`; enrol, rename, merge and move people, cluster photos",
    Scope.ADMIN: "all of `enrol`; delete people and faces, see all jobs, read metrics",
    Scope.EMBEDDINGS: "embeddings in answers; no other scope includes it",
    Scope.EMBEDDING_SEARCH: "search the gallery by embedding; no other scope includes it",
    Scope.METRICS: "`/metrics` alone",
}


def describe(app: FastAPI, keys: bool) -> None:
    """Have an app describe itself with its security scheme.

    Parameters
    ----------
    app : FastAPI
    keys : bool
        Whether requests need a key; without, a route says that no key will do as well.
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
    # FastAPI knows of the records in answers, not of those in problems.
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
