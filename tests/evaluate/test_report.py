"""The report: self-contained, safe and complete."""

import base64
import stat
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from facespace.errors import DataError
from facespace.evaluate import evaluate, open_photos, protocols, write_results


@pytest.fixture(scope="module")
def evaluation(space, people, tmp_path_factory):
    # Without escaping, this name would be a script.
    folder = tmp_path_factory.mktemp("named")
    for number, person in enumerate(sorted(people.iterdir())):
        name = "<script>alert(1)<" if number == 0 else f"Zoë $x$ {number}"
        (folder / name.replace("/", "")).symlink_to(person)
    (folder / "Zoë $x$ 1" / "bad.jpg").write_text("no photo")
    yield evaluate(space, protocols.people(open_photos(folder)), rounds=100)
    (people / "s2" / "bad.jpg").unlink()


@pytest.fixture(scope="module")
def page(evaluation, tmp_path_factory):
    return write_results(evaluation, tmp_path_factory.mktemp("results"), "facespace evaluate ...", "A <title>")


class Reader(HTMLParser):
    """Collects tags and the text of headings."""

    def __init__(self):
        super().__init__()
        self.tags, self.headings, self.open = [], [], None

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.open = tag

    def handle_data(self, data):
        if self.open in ("h1", "h2", "h3"):
            self.headings.append(data.strip())


@pytest.fixture(scope="module")
def read(page):
    reader = Reader()
    reader.feed(page.read_text())
    return reader


def test_the_report_is_self_contained(page, read):
    for tag, attributes in read.tags:
        assert tag not in ("script", "link", "iframe")
        for value in (attributes.get("src"), attributes.get("href"), attributes.get("xlink:href")):
            assert value is None or value.startswith(("data:image/", "#"))
    assert "default-src 'none'" in page.read_text()


def test_a_name_cannot_become_a_script(page):
    text = page.read_text()
    assert "&lt;script&gt;alert(1)" in text
    assert "<script" not in text


def test_the_report_has_every_section(read):
    text = " ".join(read.headings)
    for heading in ("Figures", "Verification", "Recognition", "Clustering", "A map of the space", "How these"):
        assert heading in text
    assert sum("(best)" in heading for heading in read.headings) == 2
    assert sum("(worst)" in heading for heading in read.headings) == 2


def test_all_plots_are_images(read):
    plots = [attributes for tag, attributes in read.tags if tag == "img" and attributes.get("class") == "plot"]
    assert len(plots) == 7
    for plot in plots:
        svg = base64.b64decode(plot["src"].removeprefix("data:image/svg+xml;base64,"))
        assert ElementTree.fromstring(svg).tag.endswith("svg")


def test_every_photo_says_what_it_shows(read):
    images = [attributes for tag, attributes in read.tags if tag == "img"]
    assert len(images) > 60
    assert all(attributes.get("alt") for attributes in images)


def test_a_report_lists_unusable_photos(page, evaluation):
    assert len(evaluation.failures) == 1
    assert "bad.jpg is not an image" in page.read_text()


def test_only_its_owner_may_read_it(page):
    assert stat.S_IMODE(page.stat().st_mode) == 0o600


def test_a_write_error_is_a_clear_error(evaluation, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot write the figures"):
        write_results(evaluation, tmp_path / "file" / "results", "")


def test_searches_are_of_enrolled_people_and_of_strangers(evaluation):
    assert len(evaluation.search.gallery) == 3
    assert len(evaluation.search.probes) == 58
    assert evaluation.search.figures.mated + evaluation.search.figures.strangers == 58


def test_plots_are_saved_as_svg_and_png(page):
    names = {path.name for path in (page.parent / "plots").iterdir()}
    for name in ("roc", "det", "distances", "reliability", "cmc", "open_set", "map"):
        assert {f"{name}.svg", f"{name}.png"} <= names
    assert (page.parent / "plots" / "roc.png").read_bytes().startswith(b"\x89PNG")


def test_an_evaluation_of_pairs_alone_and_without_thresholds_has_a_report_too(space, people, tmp_path):
    import copy

    bare = copy.copy(space)
    bare.card = space.card.model_copy(update={"decisions": None})
    found = evaluate(bare, protocols.pairs_of_people(open_photos(people)), rounds=20)
    text = write_results(found, tmp_path, "facespace evaluate ...").read_text()
    assert "Verification" in text
    assert "Recognition" not in text
    assert "the model card has no thresholds" in text
