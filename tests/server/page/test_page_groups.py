"""Grouping photos on the page, correcting the groups and keeping them."""

import csv
import io
import re
import zipfile

import httpx
import pytest


class Grouping:
    """A page with the groups of twelve photos of four people, and access to the API for them."""

    def __init__(self, page, address, photos):
        self.page, self.address, self.photos = page, address, photos
        page.locator("main input[type=file]").first.set_input_files(photos)
        page.get_by_role("button", name="Group", exact=True).click()
        page.locator(".sheet img").first.wait_for()
        (self.job,) = httpx.get(f"{address}/v1/cluster").json()["jobs"]

    def get(self, what):
        return httpx.get(f"{self.address}/v1/cluster/{self.job['job']}/{what}").json()

    def standing(self):
        return [entry for entry in self.get("decisions")["decisions"] if entry["undone"] is None]

    def press(self, answer):
        """Press a key to answer the question and wait until the answer is shown."""
        before, shown = len(self.standing()), self.page.locator(".left").inner_text()
        self.page.get_by_role("button", name="Same person S", exact=True).focus()
        self.page.keyboard.press(answer)
        self.page.wait_for_function("n => document.querySelector('.left')?.textContent !== n", arg=shown)
        assert len(self.standing()) == before + 1

    def left(self):
        return int(self.page.locator(".left").inner_text().split(" question")[0])


@pytest.fixture
def grouping(serve, visit, photo, tmp_path):
    address = serve(jobs=tmp_path / "jobs", gallery=str(tmp_path / "people.db"), keep_pictures=True)
    return Grouping(visit(address, "groups"), address, [photo(f"s{p}/{n}") for p in (1, 2, 3, 4) for n in (1, 2, 3)])


def test_open_questions_count_down_and_focus_stays_on_the_button(grouping):
    page = grouping.page
    left = [grouping.get("questions")["total"]]
    assert grouping.left() == left[0]
    grouping.press("d")
    left.append(grouping.left())
    assert page.evaluate("document.activeElement.textContent") == "Same person S"
    page.get_by_role("button", name="Skip K", exact=True).click()
    left.append(grouping.left())
    assert left == [left[0], left[0] - 1, left[0] - 2]
    # Skipped questions can be asked again.
    assert grouping.get("questions")["total"] == left[1]
    assert page.evaluate("document.activeElement.textContent") == "Skip K"


def test_the_last_answer_can_be_undone(grouping):
    page = grouping.page
    grouping.press("s")
    (made,) = grouping.standing()
    assert [pair["same"] for pair in made["pairs"]] == [True]
    page.get_by_text("You answered: same person").wait_for()
    page.get_by_role("button", name="Undo answer").click()
    page.get_by_text("You answered").wait_for(state="detached")
    assert grouping.standing() == []


def test_an_earlier_answer_can_be_undone_in_its_group(grouping):
    page = grouping.page
    grouping.press("s")
    # It stays available after later answers.
    grouping.press("d")
    (pair,) = grouping.standing()[0]["pairs"]
    (cluster,) = [
        cluster
        for cluster in grouping.get("result")["clusters"]
        if {pair["a"], pair["b"]} <= {face["face"] for face in cluster["faces"]}
    ]
    group = page.get_by_role("region", name=f"person {cluster['cluster']}", exact=True)
    group.locator("summary").click()
    group.get_by_role("button", name="Undo: Same person").click()
    page.wait_for_function("() => !document.querySelector('[aria-label=\"Undo: Same person\"]')")
    assert [p["same"] for entry in grouping.standing() for p in entry["pairs"]] == [False]


def test_a_contradicting_answer_is_shown_and_can_be_undone(grouping):
    page = grouping.page
    grouping.press("s")
    (made,) = grouping.standing()
    face = made["pairs"][0]["a"]
    page.locator(f'[data-key="split-{face}"]').click()
    alert = page.get_by_role("alert")
    alert.get_by_text("This contradicts an earlier answer").wait_for()
    assert alert.locator(".answers li").count() == 1
    alert.get_by_role("button", name="Undo: Same person").click()
    alert.wait_for(state="detached")
    assert grouping.standing() == []


def test_the_name_of_a_group_can_be_undone(grouping):
    page = grouping.page
    field = page.get_by_label(re.compile("^Name of person")).first
    number = field.evaluate("element => element.labels[0].textContent")
    field.fill("Zoë")
    field.press("Enter")
    page.get_by_text("is now Zoë.").wait_for()
    assert page.evaluate("document.activeElement.labels[0].textContent") == number
    assert [entry["naming"]["name"] for entry in grouping.standing()] == ["Zoë"]
    page.locator(".toast").get_by_role("button", name="Undo").click()
    page.wait_for_function("() => ![...document.querySelectorAll('.cluster-head .input')].some((i) => i.value)")
    assert grouping.standing() == []


def test_an_enrolled_group_stays_in_the_gallery(grouping):
    page = grouping.page
    cluster = grouping.get("result")["clusters"][0]
    page.locator(f'[data-key="enrol-{cluster["cluster"]}"]').click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name", exact=True).fill("Zoë")
    for button in dialog.locator('.choice[aria-pressed="false"]').all():
        button.click()
    # One face is left out.
    dialog.locator(".choice").last.click()
    dialog.get_by_role("button", name=re.compile("^Enrol [0-9]")).click()
    anyway = dialog.get_by_role("button", name="anyway")
    page.get_by_role("link", name="Enrolled as Zoë").or_(anyway).or_(
        dialog.get_by_role("button", name="Close")
    ).first.wait_for()
    if anyway.count():
        anyway.click()
    page.get_by_role("link", name="Enrolled as Zoë").or_(dialog.get_by_role("button", name="Close")).first.wait_for()
    if dialog.count():
        dialog.get_by_role("button", name="Close").click()
    page.get_by_role("link", name="Enrolled as Zoë").click()
    page.get_by_role("heading", name="Zoë").wait_for()
    httpx.delete(f"{grouping.address}/v1/cluster/{grouping.job['job']}").raise_for_status()
    (person,) = httpx.get(f"{grouping.address}/v1/people").json()["people"]
    assert (person["name"], person["faces"]) == ("Zoë", len(cluster["faces"]) - 1)
    assert person["picture"]


def test_groups_and_photos_by_person_are_downloaded(grouping):
    page = grouping.page
    with page.expect_download() as download:
        page.get_by_role("button", name="Download groups").click()
    with zipfile.ZipFile(download.value.path()) as packed:
        rows = list(csv.DictReader(io.StringIO(packed.read("groups.csv").decode("utf-8-sig"))))
    contents = {path.name: path.read_bytes() for path in grouping.photos}
    assert {row["photo"] for row in rows} == set(contents)
    expected = set()
    for cluster in grouping.get("result")["clusters"]:
        folder = f"Person {cluster['cluster']}" if len(cluster["faces"]) > 1 else "Other photos"
        expected |= {f"{folder}/{face['photo']}" for face in cluster["faces"]}
    with page.expect_download() as download:
        page.get_by_role("button", name="Download photos by person").click()
    with zipfile.ZipFile(download.value.path()) as packed:
        assert packed.testzip() is None
        assert set(packed.namelist()) == expected
        assert all(packed.read(name) == contents[name.split("/")[1]] for name in packed.namelist())


FOLDERS = """async () => {
  const { inFolders } = await import("/js/views/groups.js");
  const file = (name) => new File([name], name);
  const face = (photo) => ({ photo });
  const clusters = [
    { cluster: 1, name: "a/b", faces: [face("x.jpg"), face("x.jpg (2)")] },
    { cluster: 2, name: "a:b", faces: [face("x.jpg")] },
    { cluster: 3, name: null, faces: [face("x.jpg"), face("y.jpg")] },
    { cluster: 4, name: "..", faces: [face("y.jpg")] },
  ];
  return inFolders(clusters, ["x.jpg", "x.jpg", "y.jpg", "z.jpg"].map(file)).map(([path]) => path);
}"""


def test_equal_names_of_photos_and_people_lose_no_file(full, visit):
    assert visit(full, "groups").evaluate(FOLDERS) == [
        "a_b/x.jpg",
        "a_b/x (2).jpg",
        "a_b/x (3).jpg",
        "Person 3/x.jpg",
        "Person 3/y.jpg",
        "_/y.jpg",
        "Other photos/z.jpg",
    ]


def test_a_folder_is_chosen_and_files_that_are_left_out_are_counted(serve, visit, photo, tmp_path):
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for n in (1, 2, 3, 4):
        (folder / "more" / f"{n}.jpg").write_bytes(photo(f"s1/{n}").read_bytes())
    (folder / "notes.txt").write_text("no photo")
    (folder / ".DS_Store").write_text("hidden")
    page = visit(serve(photos=3), "groups")
    page.get_by_text("Up to 3 photos, 512 MB in total.").wait_for()
    page.locator("input[webkitdirectory]").set_input_files(folder)
    page.get_by_role("heading", name="3 of at most 3 photos").wait_for()
    assert page.locator(".notes li").all_inner_texts() == [
        "1 file left out: not a photo.",
        "1 photo left out: the limit is 3.",
    ]
    page.get_by_role("button", name="Remove 2.jpg").click()
    page.get_by_role("heading", name="2 of at most 3 photos").wait_for()


def test_photos_beyond_the_total_limit_are_not_sent(serve, visit, photo):
    page = visit(serve(cluster_bytes=1000), "groups")
    page.locator("main input[type=file]").first.set_input_files([photo("s1/1")])
    page.get_by_role("alert").get_by_text("Together the photos are larger than 1 MB").wait_for()
    assert page.get_by_role("button", name="Group", exact=True).is_disabled()
