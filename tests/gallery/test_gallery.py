"""A gallery: enrol, identify, reject strangers, remove."""

import stat

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facespace.errors import GalleryError, ImageError
from facespace.gallery import Gallery
from facespace.model import read_model, write_model
from facespace.space import load


@pytest.fixture
def gallery(space, tmp_path):
    with Gallery(tmp_path / "people.db", space) as opened:
        yield opened


def test_somebody_enrolled_is_recognised_on_that_photo(gallery, people):
    gallery.enrol("Ada", people / "s1" / "1.pgm")
    gallery.enrol("Ben", [people / "s2" / "1.pgm", people / "s2" / "2.pgm"])
    (answer,) = gallery.identify(people / "s1" / "1.pgm")
    assert answer.name == "Ada"
    assert [candidate.name for candidate in answer.candidates] == ["Ada", "Ben"]
    assert answer.candidates[0].distance < 0.01
    assert answer.candidates[0].probability > answer.candidates[1].probability
    assert answer.box == (0, 0, 92, 112)


def test_a_stranger_is_nobody_we_know(gallery, people):
    gallery.enrol("Ada", people / "s1" / "1.pgm")
    strangers = [photo for person in "23456" for photo in (people / f"s{person}").iterdir()]
    answers = [gallery.identify(photo)[0] for photo in strangers]
    for answer in answers:
        assert (answer.name is None) == (answer.candidates[0].adjusted_distance > answer.threshold)
    assert sum(answer.name is None for answer in answers) > len(answers) / 2


def test_in_an_empty_gallery_nobody_matches(gallery, people):
    (answer,) = gallery.identify(people / "s1" / "1.pgm")
    assert answer.name is None
    assert answer.candidates == ()


def test_top_limits_the_number_of_candidates(gallery, people):
    for person in range(1, 7):
        gallery.enrol(f"P{person}", people / f"s{person}" / "1.pgm")
    assert len(gallery.identify(people / "s1" / "2.pgm", top=2)[0].candidates) == 2


def test_people_are_listed_and_removed(gallery, people):
    gallery.enrol("Ben", [people / "s2" / "1.pgm", people / "s2" / "2.pgm"])
    gallery.enrol("Ada", people / "s1" / "1.pgm")
    assert [(person.name, person.faces) for person in gallery.people()] == [("Ada", 1), ("Ben", 2)]
    gallery.remove("Ben")
    assert len(gallery) == 1
    assert gallery.identify(people / "s2" / "1.pgm")[0].candidates[0].name == "Ada"


def test_removing_an_unknown_name_suggests_the_nearest(gallery, people):
    gallery.enrol("Grace Hopper", people / "s1" / "1.pgm")
    with pytest.raises(GalleryError, match="no 'Grace Hoper' .*did you mean 'Grace Hopper'"):
        gallery.remove("Grace Hoper")
    assert len(gallery) == 1


def test_enrolling_again_adds_photos(gallery, people):
    gallery.enrol("Ada", people / "s1" / "1.pgm")
    gallery.enrol("Ada", people / "s1" / "2.pgm")
    assert [(person.name, person.faces) for person in gallery.people()] == [("Ada", 2)]


def test_a_bad_photo_is_reported_and_the_rest_are_enrolled(gallery, people, tmp_path):
    (tmp_path / "bad.jpg").write_text("no photo")
    enrolment = gallery.enrol("Ada", [people / "s1" / "1.pgm", tmp_path / "bad.jpg", people / "s1" / "2.pgm"])
    assert enrolment.faces == 2
    assert [failure.photo for failure in enrolment.failures] == [tmp_path / "bad.jpg"]
    assert "is not an image" in enrolment.failures[0].reason


def test_without_a_usable_photo_nobody_is_enrolled(gallery, tmp_path):
    (tmp_path / "bad.jpg").write_text("no photo")
    with pytest.raises(GalleryError, match="no photo of 'Ada' can be enrolled: .*not an image"):
        gallery.enrol("Ada", tmp_path / "bad.jpg")
    with pytest.raises(GalleryError, match="none were given"):
        gallery.enrol("Ada", [])
    assert gallery.people() == []


def test_a_bad_probe_is_an_image_error(gallery, tmp_path):
    with pytest.raises(ImageError):
        gallery.identify(tmp_path / "absent.jpg")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda name: name.strip()))
def test_a_name_may_be_any_unicode(gallery, people, name):
    enrolment = gallery.enrol(name, people / "s1" / "1.pgm")
    assert enrolment.name in [person.name for person in gallery.people()]
    gallery.remove(name)
    assert gallery.people() == []


def test_a_name_with_a_lone_surrogate_is_refused(gallery, people):
    with pytest.raises(GalleryError, match="not valid Unicode"):
        gallery.enrol("Ada \ud800", people / "s1" / "1.pgm")


def test_a_name_in_two_unicode_forms_is_one_person(gallery, people):
    gallery.enrol("Jürgen", people / "s1" / "1.pgm")
    gallery.enrol("Ju\u0308rgen ", people / "s1" / "2.pgm")
    assert [(person.name, person.faces) for person in gallery.people()] == [("Jürgen", 2)]


def test_a_blank_name_is_refused(gallery, people):
    with pytest.raises(GalleryError, match="not be blank"):
        gallery.enrol("  ", people / "s1" / "1.pgm")


def test_a_gallery_of_another_space_is_refused(model_path, space, people, tmp_path):
    with Gallery(tmp_path / "people.db", space) as gallery:
        gallery.enrol("Ada", people / "s1" / "1.pgm")
    model = read_model(model_path)
    other = model.card.model_copy(update={"input": model.card.input.model_copy(update={"colour": "BGR"})})
    write_model(tmp_path / "other.onnx", model.onnx, other)
    with pytest.raises(GalleryError, match=r"holds embeddings of the space .* Open it with the model it was made with"):
        Gallery(tmp_path / "people.db", load(tmp_path / "other.onnx"))
    with Gallery(tmp_path / "people.db", space) as gallery:
        assert len(gallery) == 1


def test_a_card_with_new_thresholds_keeps_the_gallery(model_path, space, people, tmp_path):
    with Gallery(tmp_path / "people.db", space) as gallery:
        gallery.enrol("Ada", people / "s1" / "1.pgm")
    model = read_model(model_path)
    looser = model.card.decisions.model_copy(update={"default_far": 0.1})
    write_model(tmp_path / "again.onnx", model.onnx, model.card.model_copy(update={"decisions": looser}))
    with Gallery(tmp_path / "people.db", load(tmp_path / "again.onnx")) as gallery:
        assert gallery.identify(people / "s1" / "1.pgm")[0].name == "Ada"


def test_enrolments_by_another_process_are_visible_at_once(space, people, tmp_path):
    with Gallery(tmp_path / "people.db", space) as mine, Gallery(tmp_path / "people.db", space) as theirs:
        assert mine.identify(people / "s1" / "1.pgm")[0].name is None
        theirs.enrol("Ada", people / "s1" / "1.pgm")
        assert mine.identify(people / "s1" / "1.pgm")[0].name == "Ada"
        theirs.remove("Ada")
        assert mine.identify(people / "s1" / "1.pgm")[0].name is None


def test_a_gallery_is_readable_by_its_owner_only(gallery, people, tmp_path):
    gallery.enrol("Ada", people / "s1" / "1.pgm")
    for path in tmp_path.glob("people.db*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_an_empty_new_gallery_is_deleted_after_a_failure(space, people, tmp_path):
    with pytest.raises(GalleryError, match="absent"), Gallery(tmp_path / "people.db", space) as gallery:
        gallery.enrol("Ada", tmp_path / "absent.jpg")
    assert list(tmp_path.iterdir()) == []


def test_a_gallery_with_content_is_kept_after_a_failure(space, people, tmp_path):
    place = tmp_path / "people.db"

    def fail(change):
        with Gallery(place, space) as gallery:
            change(gallery)
            gallery.enrol("Ben", tmp_path / "absent.jpg")

    with pytest.raises(GalleryError, match="absent"):
        fail(lambda gallery: gallery.enrol("Ada", people / "s1" / "1.pgm"))
    with pytest.raises(GalleryError, match="absent"):
        fail(lambda gallery: gallery.remove("Ada"))
    with Gallery(place, space, create=False) as gallery:
        assert [event.action for event in gallery.audit()][:2] == ["enrol", "remove"]


def test_a_new_gallery_opened_by_another_process_is_kept_after_a_failure(space, people, tmp_path):
    place = tmp_path / "people.db"
    others = []

    def fail():
        with Gallery(place, space) as gallery:
            others.append(Gallery(place, space, create=False))
            gallery.enrol("Ben", tmp_path / "absent.jpg")

    with pytest.raises(GalleryError, match="absent"):
        fail()
    with others[0] as other:
        other.enrol("Ada", people / "s1" / "1.pgm")
    with Gallery(place, space, create=False) as gallery:
        assert [person.name for person in gallery.people()] == ["Ada"]
