"""Who is this? People one knows, kept in one SQLite file or a PostgreSQL database, and 'nobody we know'."""

from facespace.gallery.audit import acting_as
from facespace.gallery.care import Checked, Salvaged, backup, check, salvage
from facespace.gallery.crowd import nearest_others
from facespace.gallery.enrol import LEAST_QUALITY, Enrolment, LowQualityError, NotEnrolledError
from facespace.gallery.gallery import FPIR, Gallery, Identification, as_attributes
from facespace.gallery.places import Place
from facespace.gallery.records import Candidate, Event, KeptFace, NewFace, Person, Removal, Template
from facespace.gallery.secret import Secret, new_key, read_key, write_key
from facespace.gallery.store import Store, open_store
from facespace.gallery.transfer import Imported, export_gallery, import_gallery
from facespace.gallery.upgrade import Upgraded, adopt, space_of, upgrade
from facespace.gallery.verify import PersonVerification, verify_person

__all__ = [
    "FPIR",
    "LEAST_QUALITY",
    "Candidate",
    "Checked",
    "Enrolment",
    "Event",
    "Gallery",
    "Identification",
    "Imported",
    "KeptFace",
    "LowQualityError",
    "NewFace",
    "NotEnrolledError",
    "Person",
    "PersonVerification",
    "Place",
    "Removal",
    "Salvaged",
    "Secret",
    "Store",
    "Template",
    "Upgraded",
    "acting_as",
    "adopt",
    "as_attributes",
    "backup",
    "check",
    "export_gallery",
    "import_gallery",
    "nearest_others",
    "new_key",
    "open_store",
    "read_key",
    "salvage",
    "space_of",
    "upgrade",
    "verify_person",
    "write_key",
]
