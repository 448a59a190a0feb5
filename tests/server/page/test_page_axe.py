"""Accessibility: axe finds no violations in any view, light and dark."""

import pytest
from widths import DESKTOP, PHONE

RULES = '{runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}'


def wrong(page, axe):
    page.wait_for_load_state("networkidle")
    page.evaluate(axe)
    found = page.evaluate(f"axe.run(document, {RULES})")
    # An empty page would have few passes.
    assert len(found["passes"]) > 15
    return [f"{entry['id']}: {node['html'][:160]}" for entry in found["violations"] for node in entry["nodes"]]


def compared(page, photo):
    for name in ("s1/3", "s1/4"):
        page.locator("main .dropzone:not(.filled) input[type=file]").first.set_input_files(photo(name))
    page.locator(".verdict").wait_for()


def searched(page, photo):
    page.locator("main input[type=file]").set_input_files(photo("s2/1"))
    page.locator(".candidates").wait_for()


def enrolling(page, photo):
    page.get_by_role("button", name="Enrol", exact=True).click()
    page.locator("dialog input[type=file]").set_input_files(photo("s4/1"))
    page.locator("dialog .thumbs li").wait_for()


def merging(page, photo):
    page.get_by_role("button", name="Merge").click()
    for name in ("Ada", "王芳"):
        page.get_by_label(f"Select {name}").check()


def person(page, photo):
    page.locator(".person-card a").first.click()
    page.locator(".person-head").wait_for()


def grouped(page, photo):
    page.locator("main input[type=file]").first.set_input_files([photo(f"s{p}/{n}") for p in (1, 2) for n in (1, 2)])
    page.get_by_role("button", name="Group", exact=True).click()
    page.locator(".sheet").first.wait_for()


def refused(page, photo):
    grouped(page, photo)
    page.get_by_role("button", name="Same person S").click()
    page.get_by_text("You answered: same person").wait_for()
    page.get_by_text("1 answer about this person").click()
    page.locator(".sheet .icon").first.click()
    page.locator(".notice.wrong, .toast").first.wait_for()


def enrolling_a_group(page, photo):
    grouped(page, photo)
    page.get_by_role("button", name="Enrol", exact=True).first.click()
    page.get_by_role("dialog").wait_for()


def merging_one(page, photo):
    person(page, photo)
    page.get_by_role("button", name="Merge").click()
    page.get_by_label("Other person", exact=True).fill("王芳")
    page.locator(".keep-name").wait_for()


def mapped(page, photo):
    page.locator(".map-dot").first.click()


def nothing(page, photo):
    pass


STATES = [
    ("compare", nothing),
    ("compare", compared),
    ("search", searched),
    ("people", nothing),
    ("people", enrolling),
    ("people", merging),
    ("people", person),
    ("people", merging_one),
    ("groups", grouped),
    ("groups", refused),
    ("groups", enrolling_a_group),
    ("map", mapped),
    ("model", nothing),
]


@pytest.mark.parametrize(("view", "state"), [pytest.param(*s, id=f"{s[0]}-{s[1].__name__}") for s in STATES])
def test_axe_finds_no_violations(full, visit, photo, axe, view, state):
    for size, scheme in ((DESKTOP, "light"), (PHONE, "dark")):
        page = visit(full, view, size=size, scheme=scheme)
        state(page, photo)
        assert wrong(page, axe) == [], f"{scheme}, {size['width']} pixels wide"


def test_axe_detects_a_violation(full, visit, axe):
    page = visit(full, "model")
    page.evaluate("document.querySelector('main').append(document.createElement('button'))")
    assert any(entry.startswith("button-name") for entry in wrong(page, axe))
