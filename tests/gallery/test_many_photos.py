"""Identification of many photos, pages of people, and faces that are embedded already."""

import numpy as np
import pytest
from points import NamedSpace, new_faces, point

from facespace.errors import GalleryError
from facespace.gallery import Enrolment, Gallery, IdentifiedPhoto, Secret
from facespace.space import Face


@pytest.fixture
def gallery(tmp_path):
    with Gallery(tmp_path / "people.db", NamedSpace()) as opened:
        yield opened


def test_a_stream_of_photos_is_identified_as_each_photo_alone(space, people, tmp_path):
    (tmp_path / "letter.jpg").write_text("not a photo")
    photos = [people / "s1" / "2.pgm", tmp_path / "letter.jpg", people / "s2" / "3.pgm", people / "s3" / "1.pgm"]
    with Gallery(tmp_path / "people.db", space) as gallery:
        gallery.enrol("Ada", people / "s1" / "1.pgm", min_quality=0)
        gallery.enrol("Ben", people / "s2" / "1.pgm", min_quality=0)
        found = list(gallery.identify_stream(photos, fpir=0.2, workers=2))
        assert [result.photo for result in found] == photos
        assert [bool(result.failure) for result in found] == [False, True, False, False]
        assert "letter.jpg is not an image" in found[1].failure
        for result in (found[0], *found[2:]):
            assert list(result.faces) == gallery.identify(result.photo, fpir=0.2)
        searches = [event for event in gallery.audit() if event.action == "search"]
        assert len(searches) == 6


def test_more_photos_than_a_batch_are_identified_in_order(gallery):
    people = [f"P{number}" for number in range(5)]
    gallery.store.add_all([(name, new_faces(name, 2), None) for name in people])
    order = np.random.default_rng(0).permutation(90) % 5
    space = gallery._space
    space.stream = lambda photos, workers: (
        IdentifiedPhoto(photo, tuple(space.faces(photo))) if photo else IdentifiedPhoto(photo, (), "lost")
        for photo in photos
    )
    found = list(gallery.identify_stream([f"P{number}/7" for number in order] + [""]))
    assert [result.faces[0].name for result in found[:-1]] == [f"P{number}" for number in order]
    assert (found[-1].faces, found[-1].failure) == ((), "lost")


def test_an_invalid_rate_is_refused_before_any_photo_is_read(gallery):
    gallery._space.stream = lambda photos, workers: iter([])
    with pytest.raises(GalleryError, match="fpir must be above 0"):
        gallery.identify_stream(["P0/1"], fpir=1)


@pytest.mark.parametrize("key", [None, b"k" * 32])
def test_people_are_listed_in_pages_by_name(tmp_path, key):
    secret = None if key is None else Secret(key)
    names = [f"Person {number:02}" for number in range(25)] + ["Ärmel", "ärger", "Zoë"]
    with Gallery(tmp_path / "people.db", NamedSpace(), secret) as gallery:
        gallery.store.add_all([(name, new_faces(name), None) for name in reversed(names)])
        gallery.store.add("Zoë", new_faces("Zoë/2", 2))
        everybody = gallery.people()
        seen, offset = [], 0
        while offset is not None:
            page = gallery.people_page(offset=offset, limit=10)
            assert page.total == 28
            seen += page.people
            offset = page.next
        assert seen == everybody
        assert [person.name for person in gallery.people_page("ÄR").people] == ["Ärmel", "ärger"]
        assert gallery.people_page("person", offset=24).next is None
        assert gallery.people_page("nobody").people == []
        with pytest.raises(GalleryError, match="offset must be at least 0"):
            gallery.people_page(offset=-1)


def test_faces_of_a_space_can_be_enrolled_as_they_are_identified(gallery):
    faces = gallery._space.faces("Ada/1+Ada/2")
    assert all(isinstance(face, Face) for face in faces)
    done = gallery.enrol_faces("Ada", faces)
    assert (done.name, done.faces) == ("Ada", 2)
    assert [found.name for found in gallery.identify_faces(gallery._space.faces("Ada/3"))] == ["Ada"]
    np.testing.assert_allclose(gallery.faces("Ada")[0].embedding, point("Ada", 1), atol=1e-3)


def test_old_names_of_fields_work_with_a_warning(gallery):
    gallery.store.add("Ada", new_faces("Ada", 2))
    (found,) = gallery.identify("Ada/5")
    with pytest.warns(DeprecationWarning, match="Identification.person is now name"):
        assert found.person == "Ada"
    with pytest.warns(DeprecationWarning, match="number is now person_id"):
        assert found.number == gallery.find("Ada").id
    with pytest.warns(DeprecationWarning, match="Candidate.person is now person_id"):
        assert found.candidates[0].person == found.person_id
    with pytest.warns(DeprecationWarning, match="Enrolment.folded is now duplicates"):
        assert Enrolment("Ada", 0, ()).folded == ()
