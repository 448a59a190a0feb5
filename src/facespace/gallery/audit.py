"""The audit log: what was done in a gallery, when and by whom. It is append-only, and tampering is detected."""

import getpass
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from facespace.errors import GalleryError
from facespace.gallery.encryption import Secret
from facespace.gallery.records import Event
from facespace.gallery.sql import Sql

_PAGE = 1000


_acting: ContextVar[str | None] = ContextVar("acting", default=None)


@contextmanager
def acting_as(name: str | None) -> Iterator[None]:
    """Record entries under another name than this machine's account; None keeps the account."""
    token = _acting.set(name or _acting.get())
    try:
        yield
    finally:
        _acting.reset(token)


class Audit:
    """Audit entries in a hash chain: each hash covers the previous one, so none can be changed, removed or inserted.

    Somebody who can write the file could rewrite the whole chain. To detect that, store the last entry's hash elsewhere
    and compare it. If the gallery has a key, the hashes are keyed and cannot be forged without it.
    """

    def __init__(self, sql: Sql, secret: Secret | None):
        self._sql, self._secret = sql, secret

    def add(self, action: str, detail: Mapping[str, Any]) -> None:
        """Add an entry; call it in the same transaction as the change that it records."""
        number, before = self._last()
        entry = (number + 1, _now(), _actor(), action, json.dumps(detail, sort_keys=True))
        self._sql.run(
            "INSERT INTO audit (number, time, actor, action, detail, hash) VALUES (?, ?, ?, ?, ?, ?)",
            (*entry, self._hash(before, entry)),
        )

    def events(self) -> Iterator[Event]:
        """All entries, oldest first."""
        last = 0
        while True:
            with self._sql.reading():
                rows = self._sql.run(
                    "SELECT number, time, actor, action, detail, hash FROM audit WHERE number > ? "
                    f"ORDER BY number LIMIT {_PAGE}",
                    (last,),
                )
            for number, time, actor, action, detail, digest in rows:
                yield Event(number, time, actor, action, json.loads(detail), digest)
                last = number
            if len(rows) < _PAGE:
                return

    def verify(self, expected: str | None = None) -> Event | None:
        """Check the whole chain.

        Parameters
        ----------
        expected : str or None
            A hash of the last entry that was stored elsewhere; the chain must still contain it.

        Returns
        -------
        Event or None
            The last entry, whose hash is worth storing elsewhere; None if the log is empty.

        Raises
        ------
        GalleryError
            An entry was changed or is missing; the message names it.
        """
        before, event, seen = "", None, expected is None
        for place, event in enumerate(self.events(), start=1):
            entry = (event.number, event.time, event.actor, event.action, json.dumps(event.detail, sort_keys=True))
            if event.number != place or event.hash != self._hash(before, entry):
                raise GalleryError(
                    f"the audit log of {self._sql.where} was changed: entry {place} differs from what was recorded"
                )
            before, seen = event.hash, seen or event.hash == expected
        if not seen:
            raise GalleryError(
                f"the audit log of {self._sql.where} was changed: no entry has the stored hash {expected}"
            )
        return event

    def _last(self) -> tuple[int, str]:
        rows = self._sql.run("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1")
        return (int(rows[0][0]), rows[0][1]) if rows else (0, "")

    def _hash(self, before: str, entry: tuple[int, str, str, str, str]) -> str:
        content = json.dumps([before, *entry]).encode()
        return (self._secret.mark(content) if self._secret else hashlib.sha256(content).digest()).hex()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _actor() -> str:
    if (name := _acting.get()) is not None:
        return name
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
