"""Python client for the HTTP API, with the same request and response models. Needs httpx (extra `client`).

>>> from facespace.client import Client
>>> with Client("http://127.0.0.1:8000", key="fs_...") as service:      # doctest: +SKIP
...     service.verify("a.jpg", "b.jpg").same
"""

from facespace.client.asynchronous import AsyncClient
from facespace.client.errors import ServiceError
from facespace.client.synchronous import Client

__all__ = ["AsyncClient", "Client", "ServiceError"]
