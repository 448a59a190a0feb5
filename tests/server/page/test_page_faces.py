"""Photos with several faces and the shipped model: each face is labelled and can be chosen."""

import zipfile

import httpx
import pytest
from test_page_axe import wrong
from widths import DESKTOP, PHONE

from facespace.space import load

NASH = "Steve_Nash_0003.jpg"


@pytest.fixture(scope="module")
def shared(shared_data, tmp_path_factory):
    """Paths of a photo of Steve Nash next to a man with a larger face, and of one of Steve Nash alone."""
    two = shared_data.parent / "cases" / "two_people.jpg"
    if not two.is_file():
        pytest.skip(f"no photo of two people at {two}")
    alone = tmp_path_factory.mktemp("alone") / NASH
    with zipfile.ZipFile(shared_data / "lfw.zip") as archive:
        (member,) = [name for name in archive.namelist() if name.endswith(NASH)]
        alone.write_bytes(archive.read(member))
    return two, alone


@pytest.fixture(scope="module")
def real(serve, shared, tmp_path_factory):
    """The address of a service whose gallery has Steve Nash."""
    address = serve(space=load(provider="cpu", threads=1), gallery=str(tmp_path_factory.mktemp("real") / "people.db"))
    files = [("photos", (NASH, shared[1].read_bytes()))]
    httpx.post(f"{address}/v1/people", data={"name": "Steve Nash"}, files=files, timeout=60).raise_for_status()
    return address


def overlaps(page):
    """Return the number of overlapping pairs of labels."""
    return page.evaluate(
        """() => {
          const areas = [...document.querySelectorAll(".photo .badge")].map((badge) => badge.getBoundingClientRect());
          return areas.flatMap((a, i) => areas.slice(i + 1).map((b) => a.left < b.right && b.left < a.right &&
            a.top < b.bottom && b.top < a.bottom)).filter(Boolean).length;
        }"""
    )


def test_every_face_is_labelled_and_known_people_come_first(real, visit, shared, axe):
    for size, scheme in ((DESKTOP, "light"), (PHONE, "dark")):
        page = visit(real, "search", size=size, scheme=scheme)
        page.locator("main input[type=file]").first.set_input_files(shared[0])
        page.locator(".found-head").wait_for()
        badges = page.locator(".photo .badge")
        assert sorted(badges.all_inner_texts()) == ["Steve Nash", "Unknown"]
        assert all(badge.is_visible() for badge in badges.all())
        assert overlaps(page) == 0
        assert page.locator(".found-head h2").inner_text() == "Steve Nash"
        assert page.locator(".strip button").all_inner_texts() == ["Steve Nash", "Unknown"]
        unknown = page.locator(".strip button").last
        unknown.click()
        assert page.locator(".found-head h2").inner_text() == "Nobody in the gallery"
        assert page.evaluate("document.activeElement.textContent") == "Unknown"
        assert wrong(page, axe) == []


def test_clicking_another_face_compares_it(real, visit, shared, axe):
    for size, scheme in ((DESKTOP, "light"), (PHONE, "dark")):
        page = visit(real, "compare", size=size, scheme=scheme)
        for place, path in enumerate(shared):
            page.locator("main input[type=file]").nth(place).set_input_files(path)
        page.locator(".verdict").wait_for()
        assert page.locator(".verdict h2").inner_text() == "Different people"
        assert "First photo shows 2 faces".lower() in page.locator(".notes").inner_text().lower()
        largest = page.locator(".photo .box.chosen").first.get_attribute("aria-label")
        other = page.locator('.photo button.box[aria-pressed="false"]')
        other.click()
        page.get_by_text("Face 1 was compared").wait_for()
        assert page.locator(".photo .box.chosen").first.get_attribute("aria-label") != largest
        # The same man, near the threshold.
        assert page.locator(".verdict h2").inner_text() in ("Same person", "Too close to call")
        assert page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"
        found = httpx.post(
            f"{real}/v1/verify?face_a=1",
            files={"a": shared[0].read_bytes(), "b": shared[1].read_bytes()},
            timeout=60,
        ).json()
        assert found["explanation"] in page.locator(".verdict").inner_text()
        assert wrong(page, axe) == []
