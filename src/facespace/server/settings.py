"""Settings of a service: model, gallery, keys, limits and timeouts."""

import os
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from facespace.processors import available
from facespace.server.cors import as_origin

# Worker processes read their settings from the environment.
ENVIRONMENT = "FACESPACE_SERVE"


class Settings(BaseModel):
    """Settings of a service.

    model : path or name of the model; None for the default model
    gallery : path or URL; without a gallery, photos can only be compared and clustered
    gallery_key : key file of an encrypted gallery
    keys : file of API keys; without it, every request is allowed
    provider, threads : of the model, as for `load`
    detector : detector to use instead of the model card's
    workers : number of processes; the rate limit of a key is divided among them
    concurrency : number of photo requests processed at once
    queue_length : length of the queue of photo requests; beyond it, requests are rejected
    timeout : request timeout
    photo_bytes, request_bytes, cluster_bytes : maximum size of a photo, a request, and a clustering request
    pixels, faces : maximum number per photo
    photos : maximum number per request
    longest : photos with a longer side (pixels) are scaled down to it before detection
    batch_wait : seconds that a face waits for a batch; None for as long as the model is busy on a CPU, and for 5 ms
        elsewhere (docs/decisions/081)
    batching : whether faces of several callers are embedded in one batch
    keep_pictures : whether `keep` can store a thumbnail of each enrolled face
    cors : origins whose pages can use the service, such as https://photos.example
    loopback : whether a service without keys only accepts requests to a name of this machine
    jobs : folder for clustering jobs; None for a temporary folder
    job_seconds : seconds after which a job is deleted
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str | None = None
    gallery: str | None = None
    gallery_key: Path | None = None
    keys: Path | None = None
    provider: str | None = None
    threads: Annotated[int, Field(ge=1)] | None = None
    detector: str | None = None
    workers: Annotated[int, Field(ge=1)] = 1
    concurrency: Annotated[int, Field(ge=1)] = Field(default_factory=lambda: 2 * available())
    queue_length: Annotated[int, Field(ge=0)] = 64
    timeout: Annotated[float, Field(gt=0)] = 30.0
    photo_bytes: Annotated[int, Field(ge=1)] = 20 << 20
    request_bytes: Annotated[int, Field(ge=1)] = 48 << 20
    cluster_bytes: Annotated[int, Field(ge=1)] = 512 << 20
    pixels: Annotated[int, Field(ge=1)] = 40_000_000
    faces: Annotated[int, Field(ge=1)] = 100
    photos: Annotated[int, Field(ge=1)] = 500
    longest: Annotated[int, Field(ge=64)] | None = 1600
    batch_wait: Annotated[float, Field(ge=0)] | None = None
    batching: bool = True
    keep_pictures: bool = False
    cors: tuple[Annotated[str, AfterValidator(as_origin)], ...] = ()
    loopback: bool = True
    jobs: Path | None = None
    job_seconds: Annotated[int, Field(ge=1)] = 3600

    @property
    def body_limits(self) -> tuple[int, int]:
        """Maximum bytes of a photo and of a request."""
        return self.photo_bytes, self.request_bytes

    @classmethod
    def of_environment(cls) -> "Settings":
        """Read the settings that the parent process wrote with `to_environment`."""
        return cls.model_validate_json(os.environ.get(ENVIRONMENT, "{}"))

    def to_environment(self) -> None:
        """Write these settings to the environment of processes that start later."""
        os.environ[ENVIRONMENT] = self.model_dump_json()
