"""Who is this? People one knows, kept in one SQLite file or a PostgreSQL database, and 'nobody we know'."""

from facespace.gallery.enrol import Enrolment
from facespace.gallery.gallery import Candidate, Gallery, Identification
from facespace.gallery.records import Event, KeptFace, NewFace, Person, Removal, Template
from facespace.gallery.secret import Secret, new_key, read_key
from facespace.gallery.store import Store, open_store

__all__ = [
    "Candidate",
    "Enrolment",
    "Event",
    "Gallery",
    "Identification",
    "KeptFace",
    "NewFace",
    "Person",
    "Removal",
    "Secret",
    "Store",
    "Template",
    "new_key",
    "open_store",
    "read_key",
]
