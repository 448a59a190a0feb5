"""The views of the page in a real browser."""

import re

import httpx
import pytest
from widths import DESKTOP, PHONE

# The text of a result with the largest font.
LARGEST = """Array.from(document.querySelectorAll(".verdict *")).reduce((a, b) =>
  parseFloat(getComputedStyle(b).fontSize) > parseFloat(getComputedStyle(a).fontSize) ? b : a).innerText"""

VIEWS = ("compare", "search", "people", "groups", "map", "model")


def choose(page, *photos, at=0):
    page.locator("main .dropzone:not(.filled) input[type=file]").nth(at).set_input_files(list(photos))


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_fits_a_phone_and_a_desktop(full, visit, view):
    for size in (PHONE, DESKTOP):
        page = visit(full, view, size=size)
        page.wait_for_selector("main h1")
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]


def test_a_person_with_long_photo_names_fits_a_phone(full, visit):
    number = httpx.get(f"{full}/v1/people").json()["people"][0]["person_id"]
    page = visit(full, f"people/{number}", size=PHONE)
    page.locator(".person-head").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_two_photos_are_compared_with_a_verdict_in_words(full, visit, photo):
    page = visit(full)
    choose(page, photo("s1/3"))
    page.get_by_text("Add one more photo").wait_for()
    choose(page, photo("s1/4"))
    page.locator(".verdict").wait_for()
    assert re.fullmatch("Same person|Different people|Too close to call", page.locator(".verdict h2").inner_text())
    # The verdict has the largest font.
    assert page.evaluate(LARGEST) == page.locator(".verdict h2").inner_text()
    text = page.locator(".verdict").inner_text()
    assert re.search(r"distance (is )?[\d.]+", text)
    assert "that it is one person" in text
    assert page.locator(".box").count() == 2
    assert page.locator(".verdict .crop").count() == 2
    assert "These two are at" in page.locator(".chart svg").get_attribute("aria-label")
    # Text is drawn after all lines, so that no line crosses it.
    assert page.locator(".chart text.name").count() >= 2
    assert page.locator(".chart text.name ~ line, .chart text.name ~ path").count() == 0


def test_the_result_is_that_of_the_api_and_changes_with_the_rate(full, visit, photo):
    files = {side: photo(name).read_bytes() for side, name in (("a", "s1/3"), ("b", "s4/3"))}
    page = visit(full)
    choose(page, photo("s1/3"))
    choose(page, photo("s4/3"))
    for far in (0.1, 0.01):
        result = httpx.post(f"{full}/v1/verify?far={far}", files=files).json()
        page.locator(".verdict select").focus()
        page.locator(".verdict select").select_option(str(far))
        page.get_by_text(f"up to {result['threshold']:.3f}").or_(
            page.get_by_text(f"up to {result['threshold']:.2f}")
        ).first.wait_for()
        expected = result.get("headline") or ("Same person" if result["same"] else "Different people")
        assert page.locator(".verdict h2").inner_text() == expected
        assert page.evaluate("document.activeElement.localName") == "select"


def test_an_unusable_photo_is_reported_and_the_other_one_stays(full, visit, photo, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(photo("s1/1").read_bytes()[:400])
    page = visit(full)
    choose(page, photo("s1/3"))
    choose(page, broken)
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert "Unusable photo" in alert.inner_text()
    assert "Second photo is" in alert.inner_text()
    assert alert.locator("code").inner_text().startswith("Request ")
    # A new photo in its place is compared with the other one.
    with page.expect_file_chooser() as chooser:
        alert.get_by_role("button", name="Choose another second photo").click()
    chooser.value.set_files(photo("s1/4"))
    page.locator(".verdict").wait_for()
    assert page.get_by_alt_text("First photo: s1-3.jpg").count() == 1
    assert page.get_by_alt_text("Second photo: s1-4.jpg").count() == 1


def test_a_failed_search_can_be_repeated_with_another_photo(full, visit, photo, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(photo("s1/1").read_bytes()[:400])
    page = visit(full, "search")
    choose(page, broken)
    with page.expect_file_chooser() as chooser:
        page.get_by_role("alert").get_by_role("button", name="Choose another photo").click()
    chooser.value.set_files(photo("s2/1"))
    page.locator(".candidates").wait_for()


def test_chosen_photos_are_kept_while_the_service_is_down(full, visit, photo):
    page = visit(full)
    page.route("**/v1/verify*", lambda route: route.abort())
    choose(page, photo("s1/3"))
    choose(page, photo("s1/4"))
    page.get_by_text("Nothing you entered is lost").wait_for()
    page.unroute("**/v1/verify*")
    page.get_by_role("button", name="Try again").click()
    page.locator(".verdict").wait_for()
    # They are also kept when another view is shown.
    page.get_by_role("link", name="Model").click()
    page.get_by_role("heading", name="What a distance means").wait_for()
    page.get_by_role("link", name="Compare").click()
    page.locator(".verdict").wait_for()


def test_a_request_is_retried_after_retry_after(full, visit, photo):
    page = visit(full)
    refused = []

    def busy_once(route):
        if refused:
            route.continue_()
            return
        refused.append(route)
        problem = '{"title": "busy", "detail": "busy", "status": 429}'
        route.fulfill(status=429, headers={"Retry-After": "1"}, content_type="application/problem+json", body=problem)

    page.route("**/v1/verify*", busy_once)
    choose(page, photo("s1/3"))
    choose(page, photo("s1/4"))
    page.locator(".verdict").wait_for()
    assert len(refused) == 1


def test_a_search_shows_candidates(full, visit, photo):
    page = visit(full, "search")
    choose(page, photo("s2/1"))
    page.locator(".candidates").wait_for()
    assert page.locator(".candidate").count() == 3
    assert page.locator(".candidate").first.locator(".name").inner_text() == "Jürgen Groß"
    assert page.locator(".found-head h2").inner_text() == "Jürgen Groß"
    page.locator(".candidate .portrait img").first.wait_for()
    result = httpx.post(f"{full}/v1/identify", files={"photo": photo("s2/1").read_bytes()}).json()
    words = "With 3 people in the gallery, a match needs a distance of "
    at = page.inner_text("main").split(words)[1].split(" or less")[0]
    assert float(at) == pytest.approx(result["threshold"], abs=0.005)


def test_views_without_a_gallery_say_so(serve, visit):
    address = serve()
    for view in ("search", "people", "map"):
        page = visit(address, view)
        page.get_by_role("heading", name="No gallery").wait_for()


def test_arrow_keys_move_on_the_map(full, visit):
    page = visit(full, "map")
    page.locator(".map-dot").first.wait_for()
    places = page.evaluate(
        "Array.from(document.querySelectorAll('.map-dot'), (dot) => [dot.getBoundingClientRect().x, dot.ariaLabel])"
    )
    places.sort()
    page.get_by_role("button", name=places[0][1]).focus()
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    here = page.evaluate("document.activeElement.getBoundingClientRect().x")
    assert here > places[0][0]
    chosen = page.evaluate("document.activeElement.ariaLabel").split(",")[0]
    assert page.locator(".map-panel h2").inner_text() == chosen


def test_the_model_view_has_thresholds_and_a_roc_curve(full, visit):
    card = httpx.get(f"{full}/v1/models/default").json()["card"]["decisions"]
    page = visit(full, "model")
    page.locator(".chart svg").nth(1).wait_for()
    rows = page.locator("table tbody tr")
    assert rows.count() == len(card["thresholds"])
    assert "1 in 10" in rows.first.inner_text()
    assert page.locator(".chart svg").nth(1).get_attribute("aria-label").startswith("ROC")


def test_the_table_of_thresholds_fits_a_phone(full, visit):
    page = visit(full, "model", size=PHONE)
    table = page.locator(".scroll")
    table.wait_for()
    assert table.evaluate("element => element.scrollWidth - element.clientWidth") == 0


def test_numbers_are_short_and_keep_their_unit(full, visit):
    page = visit(full)
    text = page.evaluate(
        "import('/js/words.js').then((w) => [w.figure(0.6650597635871359), w.figure(12345), w.percent(0.00001), "
        "w.percent(0.415), w.capital(w.percent(0.9999))])"
    )
    assert text == ["0.6651", "12,345", "under 0.1\u00a0%", "42\u00a0%", "Over 99.9\u00a0%"]


def test_light_and_dark_follow_the_system_and_the_switch(full, visit):
    paper = "getComputedStyle(document.body).backgroundColor"
    page = visit(full, scheme="light")
    light = page.evaluate(paper)
    dark = visit(full, scheme="dark").evaluate(paper)
    assert light != dark
    page.get_by_role("button", name="Switch to dark").click()
    assert page.evaluate(paper) == dark
    page.reload()
    page.get_by_role("button", name="Switch to light").wait_for()
    assert page.evaluate(paper) == dark


def test_the_tab_key_reaches_every_control(full, visit):
    page = visit(full, "people")
    page.locator(".person-card").first.wait_for()
    reached = set()
    for _ in range(30):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.textContent.trim() || document.activeElement.ariaLabel"))
    wanted = ("Skip to content", "Compare", "Model", "Switch to dark", "Enrol", "Merge")
    assert set(wanted) <= reached
    assert any("Jürgen Groß" in name for name in reached)
