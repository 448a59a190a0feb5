"""Who is this? People one knows, kept in one SQLite file, and 'nobody we know' as an answer."""

from facespace.gallery.gallery import Candidate, Enrolment, Gallery, Identification
from facespace.gallery.store import Person, Store

__all__ = ["Candidate", "Enrolment", "Gallery", "Identification", "Person", "Store"]
