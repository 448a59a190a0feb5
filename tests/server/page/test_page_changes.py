"""Changes made on the page: people, merges, deletion and keys, and their undo."""

import httpx
import pytest

from facespace.server.keys import KeyFile, as_scopes


@pytest.fixture
def own(serve, photo, tmp_path):
    """The address of a service with two people, for one test."""
    address = serve(gallery=str(tmp_path / "people.db"), keep_pictures=True)
    for person, name in (("s1", "Ada"), ("s2", "Ben")):
        files = [("photos", ("1.jpg", photo(f"{person}/1").read_bytes()))]
        httpx.post(f"{address}/v1/people", data={"name": name, "keep": "true"}, files=files).raise_for_status()
    return address


def names(address):
    return [person["name"] for person in httpx.get(f"{address}/v1/people").json()["people"]]


DROP = """async ([name, bytes]) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes)], name, {type: "image/jpeg"}));
  const main = document.querySelector("main");
  for (const type of ["dragenter", "drop"]) {
    main.firstElementChild.dispatchEvent(new DragEvent(type, {dataTransfer: data, bubbles: true, cancelable: true}));
  }
}"""


@pytest.mark.parametrize("name", ["Zoë Müller-Lüdenscheidt", "欧阳娜娜", "<img src=x onerror=alert(1)>"])
def test_a_dropped_photo_enrols_a_person_with_any_name(own, visit, photo, name):
    page = visit(own, "people")
    page.locator(".person-card").first.wait_for()
    page.evaluate(DROP, ["new.jpg", list(photo("s3/1").read_bytes())])
    page.get_by_role("dialog").wait_for()
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_role("button", name="Enrol 1 photo").click()
    page.locator(".person-card", has_text=name).wait_for()
    assert name in names(own)


def test_the_camera_enrols_and_is_switched_off_afterwards(own, visit):
    page = visit(own, "people")
    page.get_by_role("button", name="Enrol", exact=True).click()
    page.get_by_label("Name", exact=True).fill("Camera")
    page.get_by_role("button", name="Use camera").click()
    page.get_by_role("button", name="Take photo").click()
    page.get_by_role("button", name="Enrol 1 photo").click()
    page.locator(".person-card", has_text="Camera").wait_for()
    assert page.locator("video").count() == 0


def test_a_rejected_draft_is_kept(own, visit, photo, tmp_path):
    empty = tmp_path / "empty.jpg"
    empty.write_bytes(b"\xff\xd8\xff")
    page = visit(own, "people")
    page.get_by_role("button", name="Enrol", exact=True).click()
    page.get_by_label("Name", exact=True).fill("Cleo")
    page.locator("dialog input[type=file]").set_input_files(empty)
    page.get_by_role("button", name="Enrol 1 photo").click()
    page.get_by_role("alert").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Enrol", exact=True).click()
    assert page.get_by_label("Name", exact=True).input_value() == "Cleo"
    assert page.locator("dialog .thumbs li").count() == 1
    assert names(own) == ["Ada", "Ben"]


def test_a_rename_can_be_undone(own, visit):
    page = visit(own, "people")
    page.locator(".person-card a", has_text="Ada").click()
    page.get_by_role("button", name="Rename").click()
    page.get_by_label("New name").fill("Adélaïde")
    page.get_by_role("dialog").get_by_role("button", name="Rename").click()
    page.get_by_role("heading", name="Adélaïde").wait_for()
    assert page.evaluate("document.activeElement.textContent") == "Rename"
    assert names(own) == ["Adélaïde", "Ben"]
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("heading", name="Ada").wait_for()
    assert names(own) == ["Ada", "Ben"]


def test_a_name_that_is_taken_is_an_error_with_advice(own, visit):
    page = visit(own, "people")
    page.locator(".person-card a", has_text="Ada").click()
    page.get_by_role("button", name="Rename").click()
    page.get_by_label("New name").fill("Ben")
    page.get_by_role("dialog").get_by_role("button", name="Rename").click()
    page.get_by_role("alert").wait_for()
    assert "merge the two instead" in page.get_by_role("alert").inner_text()


@pytest.mark.parametrize("keep", ["Ada", "Ben"])
def test_a_merge_keeps_the_chosen_name_and_can_be_undone(own, visit, keep):
    page = visit(own, "people")
    page.get_by_role("button", name="Merge").click()
    for name in ("Ada", "Ben"):
        page.get_by_label(f"Select {name}").check()
    page.get_by_label(keep, exact=True).check()
    page.get_by_role("button", name="Merge these people").click()
    page.get_by_role("button", name="Undo").wait_for()
    assert names(own) == [keep]
    page.get_by_role("button", name="Undo").click()
    page.locator(".person-card").nth(1).wait_for()
    assert names(own) == ["Ada", "Ben"]


@pytest.mark.parametrize("keep", ["Ada", "Ben"])
def test_a_merge_on_the_page_of_a_person_keeps_the_chosen_name(own, visit, keep):
    page = visit(own, "people")
    page.locator(".person-card a", has_text="Ada").click()
    page.get_by_role("button", name="Merge").click()
    page.get_by_label("Other person", exact=True).fill("Ben")
    page.get_by_label(keep, exact=True).check()
    page.get_by_role("dialog").get_by_role("button", name="Merge").click()
    page.get_by_role("button", name="Undo", exact=True).wait_for()
    page.get_by_role("heading", name=keep, exact=True).wait_for()
    assert names(own) == [keep]
    # The page of Ada may be shown already, so its heading does not say whether the merge is undone.
    with page.expect_response("**/undo-merge"):
        page.get_by_role("button", name="Undo", exact=True).click()
    page.get_by_role("heading", name="Ada", exact=True).wait_for()
    assert names(own) == ["Ada", "Ben"]


def test_a_merge_can_be_undone_later_on_the_page_of_the_person(own, visit):
    people = httpx.get(f"{own}/v1/people").json()["people"]
    ada, ben = (person["person_id"] for person in people)
    httpx.post(f"{own}/v1/people/{ada}/merge", json={"into": ben}).raise_for_status()
    page = visit(own, f"people/{ben}")
    page.get_by_text("Merged into Ben: Ada").wait_for()
    page.get_by_role("button", name="Undo: separate Ada").click()
    page.get_by_text("Ada is a separate person again").wait_for()
    assert names(own) == ["Ada", "Ben"]


def test_a_person_is_deleted_only_after_confirmation(own, visit):
    page = visit(own, "people")
    page.locator(".person-card a", has_text="Ben").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Cancel").click()
    assert names(own) == ["Ada", "Ben"]
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.get_by_text("Ben was deleted").wait_for()
    assert names(own) == ["Ada"]


@pytest.fixture
def locked(serve, photo, tmp_path):
    """The address of a service with keys, and a key with the scope read."""
    keys = tmp_path / "keys.json"
    key = KeyFile(keys).add("reader", as_scopes(["read"]))
    return serve(gallery=str(tmp_path / "people.db"), keys=keys), key


def test_a_key_is_requested_and_kept_in_this_tab_only(locked, browser):
    address, key = locked
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{address}/#/people")
    page.get_by_label("Key", exact=True).fill("wrong")
    page.get_by_role("button", name="Use key").click()
    page.get_by_role("alert").wait_for()
    page.get_by_label("Key", exact=True).fill(key)
    page.get_by_role("button", name="Use key").click()
    page.get_by_role("heading", name="Nobody yet").wait_for()
    # Actions that the key does not allow are hidden.
    assert page.get_by_role("button", name="Enrol").count() == 0
    assert page.evaluate("JSON.stringify(localStorage)").find(key) < 0
    assert context.cookies() == []
    assert page.evaluate("sessionStorage.getItem('facespace.key')") == key
    another = context.new_page()
    another.goto(f"{address}/#/people")
    another.get_by_label("Key", exact=True).wait_for()
    page.get_by_role("button", name="Forget key “reader”").click()
    page.get_by_label("Key", exact=True).wait_for()
    assert page.evaluate("sessionStorage.length") == 0
    context.close()


def test_without_a_key_the_page_shows_an_error_and_asks_again(locked, browser):
    address, _ = locked
    context = browser.new_context()
    page = context.new_page()
    page.goto(address)
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("heading", name="API key required").wait_for()
    page.get_by_role("button", name="Try again").click()
    page.get_by_label("Key", exact=True).wait_for()
    context.close()
