"""Recognise people: a gallery of enrolled people in a SQLite file or a PostgreSQL database, with open-set search."""

from facespace.gallery.audit import acting_as
from facespace.gallery.encryption import Secret, new_key, read_key, write_key
from facespace.gallery.enrol import (
    MIN_QUALITY,
    ChooseFace,
    Doubt,
    Enrolment,
    LowQualityError,
    NotEnrolledError,
    largest_face,
    unlike_others,
)
from facespace.gallery.folder import EnrolledPerson, enrol_people
from facespace.gallery.gallery import Gallery
from facespace.gallery.identify import FPIR, Identification, IdentifiedPhoto
from facespace.gallery.maintenance import Checked, Salvaged, backup, check, salvage
from facespace.gallery.names import as_attributes
from facespace.gallery.open_set import nearest_others
from facespace.gallery.projection import Place
from facespace.gallery.records import Candidate, Event, KeptFace, NewFace, PeoplePage, Person, Removal, Template
from facespace.gallery.sql import space_of
from facespace.gallery.store import Store, open_store
from facespace.gallery.transfer import Imported, export_gallery, import_gallery
from facespace.gallery.undo import UndoneEnrolment, last_entry
from facespace.gallery.upgrade import Upgraded, adopt, upgrade
from facespace.gallery.verify import PersonVerification, verify_person

__all__ = [
    "FPIR",
    "MIN_QUALITY",
    "Candidate",
    "Checked",
    "ChooseFace",
    "Doubt",
    "EnrolledPerson",
    "Enrolment",
    "Event",
    "Gallery",
    "Identification",
    "IdentifiedPhoto",
    "Imported",
    "KeptFace",
    "LowQualityError",
    "NewFace",
    "NotEnrolledError",
    "PeoplePage",
    "Person",
    "PersonVerification",
    "Place",
    "Removal",
    "Salvaged",
    "Secret",
    "Store",
    "Template",
    "UndoneEnrolment",
    "Upgraded",
    "acting_as",
    "adopt",
    "as_attributes",
    "backup",
    "check",
    "enrol_people",
    "export_gallery",
    "import_gallery",
    "largest_face",
    "last_entry",
    "nearest_others",
    "new_key",
    "open_store",
    "read_key",
    "salvage",
    "space_of",
    "unlike_others",
    "upgrade",
    "verify_person",
    "write_key",
]
