"""The web site as files: links lead somewhere, nothing comes from elsewhere, texts and headings are there."""

import re
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from PIL import Image

from publishing.marks import is_table
from publishing.site import notebooks, other_pages, pages_of_explorers
from publishing.site_pages import THUMBNAIL, explorer_of, listed, titles

NAMES = list(notebooks())
LESSONS = [name for name in NAMES if "/" not in name]
OTHERS = [path.stem for path in other_pages()]
PAGES = [f"{name}.html" for name in ("index", *NAMES, *OTHERS, "search", "genindex")]
LOADED = {
    "script": "src",
    "link": "href",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
}


class Page(HTMLParser):
    """Links, resources, anchors, pictures and headings of a page; those of the article apart from the theme's."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links, self.loads, self.ids, self.pictures, self.headings = [], [], [], [], []
        self.in_article = False
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        told = dict(attributes)
        self.in_article |= tag == "article"
        if "id" in told:
            self.ids.append(told["id"])
        if tag == "a" and told.get("href"):
            self.links.append(told["href"])
        if told.get(LOADED.get(tag)) and told.get("rel") not in ("index", "search", "next", "prev", "canonical"):
            self.loads.append(told[LOADED[tag]])
        if tag == "img" and self.in_article:
            self.pictures.append(told.get("alt"))
        if re.fullmatch("h[1-6]", tag) and self.in_article:
            self.headings.append(int(tag[1]))

    def handle_endtag(self, tag):
        if tag == "article":
            self.in_article = False


@cache
def read(path: Path) -> Page:
    return Page(path)


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(site, name):
    page = read(site / name)
    assert page.links
    for link in page.links:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            assert parts.scheme in ("http", "https") and "." in parts.netloc and " " not in link, link
            continue
        target = (site / name).parent / unquote(parts.path) if parts.path else site / name
        assert target.is_file(), f"{name}: {link}"
        if parts.fragment and target.suffix == ".html":
            assert unquote(parts.fragment) in read(target).ids, f"{name}: {link}"


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_loaded_from_elsewhere(site, name):
    page = read(site / name)
    for load in page.loads:
        assert not urlsplit(load).scheme and not urlsplit(load).netloc, load
        assert ((site / name).parent / urlsplit(load).path).is_file(), load
    html = (site / name).read_text(encoding="utf-8")
    assert not re.search(r"unpkg|jsdelivr|cdnjs|googleapis", html)
    assert any("mathjax" in load for load in page.loads) or 'class="math' not in html


def test_every_page_says_what_may_run(site):
    for path in [*site.glob("*.html"), *site.glob("further/*.html")]:
        (told,) = re.findall(
            r'http-equiv="Content-Security-Policy" content="([^"]*)"', path.read_text(encoding="utf-8")
        )
        scripts = told.partition("script-src ")[2].partition(";")[0].split()
        assert set(scripts) - {"'self'", "file:"} and "unsafe" not in " ".join(scripts), path.name
        assert told.startswith("default-src 'none'") and "http" not in told, path.name


@pytest.mark.parametrize("name", PAGES)
def test_pages_can_be_read_aloud_and_skipped_through(site, name):
    page = read(site / name)
    assert page.headings.count(1) == 1 or name in ("search.html", "genindex.html")
    assert all(after <= before + 1 for before, after in pairwise(page.headings))
    assert len(page.ids) == len(set(page.ids)), [one for one in page.ids if page.ids.count(one) > 1]
    assert "#main-content" in page.links and "main-content" in page.ids
    assert '<html lang="en"' in (site / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_all_there(site, name):
    path = notebooks()[name]
    book = nbformat.read(path, as_version=4)
    pictures = [
        output
        for cell in book.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {}) and explorer_of(output) not in titles(listed())
    ]
    alts = [" ".join(output.metadata["image/png"]["alt"].split()) for output in pictures]
    page = read(site / f"{name}.html")
    assert [" ".join(alt.split()) for alt in page.pictures] == alts
    assert (site / "notebooks" / f"{name}.ipynb").read_bytes() == path.read_bytes()
    for kind in pages_of_explorers({name: book}):
        assert any(load.endswith(f"explorers/{kind}.html") for load in page.loads)


def test_an_explorer_leads_back_to_a_notebook_that_shows_it(site):
    for path in (site / "explorers").glob("*.html"):
        (back,) = re.findall(r'class="page-back"><a href="\.\./([^"]+)"', path.read_text(encoding="utf-8"))
        assert any(load.endswith(f"explorers/{path.name}") for load in read(site / back).loads), path.name


@pytest.mark.parametrize("name", NAMES)
def test_a_table_that_a_cell_shows_is_a_table(site, name):
    book = nbformat.read(notebooks()[name], as_version=4)
    html = (site / f"{name}.html").read_text(encoding="utf-8")
    tables = sum(is_table(output) for cell in book.cells for output in cell.get("outputs", []))
    assert html.count("<table") >= tables and "<p>|" not in html


def test_the_contents_list_every_page_in_order(site):
    links = [link.removesuffix(".html") for link in read(site / "index.html").links]
    found = list(dict.fromkeys(link for link in links if link in (*NAMES, *OTHERS)))
    assert [name for name in found if name in LESSONS] == LESSONS
    assert set(found) == {*NAMES, *OTHERS}
    for name in set(NAMES) - set(LESSONS):  # what goes further stands behind its lesson, before the next
        above = [other for other in found[: found.index(name)] if other in LESSONS]
        assert above[-1][:2] == name.removeprefix("further/")[:2]


def test_every_lesson_has_a_card_with_a_picture(site):
    front = (site / "index.html").read_text(encoding="utf-8")
    cards = re.findall(r'<li><a href="([^"]+)\.html">\n<img src="([^"]+)" alt=""', front)
    assert [name for name, _ in cards] == LESSONS
    for _, picture in cards:
        with Image.open(site / picture) as opened:
            assert opened.size == THUMBNAIL and len(opened.convert("L").getcolors()) > 3  # not blank


def test_a_folded_cell_keeps_its_code_behind_a_button_and_a_prediction_shows_none(site):
    for name, path in notebooks().items():
        cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        tags = [set(cell.metadata.get("tags", [])) for cell in cells]
        folded = sum("hide-input" in one and "prediction" not in one for one in tags)
        html = (site / f"{name}.html").read_text(encoding="utf-8")
        assert html.count('<details class="admonition hide above-input">') == folded, name
        assert html.count('class="bal-prediction"') == sum(
            'class="bal-prediction"' in str(output.get("data", {}).get("text/html"))
            for cell in cells
            for output in cell.outputs
        )
