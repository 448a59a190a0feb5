"""How a service is set up: what it opens, where it listens, the most it takes."""

import os
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from facespace.processors import available
from facespace.server.cors import as_origin

# Workers are processes that are given their settings by the environment.
ENVIRONMENT = "FACESPACE_SERVE"


class Settings(BaseModel):
    """Settings of a service.

    model : path or name of the model; the default one where None
    gallery : its place; without one, photos are compared and clustered only
    gallery_key : key file of an encrypted gallery
    keys : file of API keys; without one everybody may do everything
    provider, threads : of the network, as for `load`
    workers : processes; rates of keys are shared out among them
    doing : requests with photos that are worked on at once
    waiting : requests with photos that wait; beyond it they are refused
    seconds : until a request is given up
    photo_bytes, request_bytes, cluster_bytes : the most of one photo, one request, one request to cluster
    pixels, faces : the most of one photo
    photos : the most of one request
    longest : photos with a longer side (pixels) are scaled down to it before faces are looked for
    batch_wait : seconds that a face waits for others to go through the network together; where None as long as the
        network is busy with others on a CPU, and 5 ms elsewhere (docs/decisions/081)
    batching : whether faces of several callers go through the network together
    keep_pictures : whether `keep` may store a picture of each face that is enrolled
    cors : origins of other sites whose pages may use the service, such as https://photos.example; none where empty
    loopback : whether, without keys, only requests to a name of this machine are answered
    jobs : folder for clusterings; one that is deleted at the end where None
    job_seconds : until a clustering is deleted
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
    doing: Annotated[int, Field(ge=1)] = Field(default_factory=lambda: 2 * available())
    waiting: Annotated[int, Field(ge=0)] = 64
    seconds: Annotated[float, Field(gt=0)] = 30.0
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
        """Bytes of one photo, and of one request, at most."""
        return self.photo_bytes, self.request_bytes

    @classmethod
    def of_environment(cls) -> "Settings":
        """What `to_environment` of the parent process has left."""
        return cls.model_validate_json(os.environ.get(ENVIRONMENT, "{}"))

    def to_environment(self) -> None:
        """Leave these settings for processes that are started from now on."""
        os.environ[ENVIRONMENT] = self.model_dump_json()
