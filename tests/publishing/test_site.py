"""The web site as files: links lead somewhere, nothing comes from elsewhere, texts and headings are there."""

import re
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest

from publishing.marks import is_table
from publishing.site import ROOT, notebooks, pages_of_explorers, prose_of
from publishing.site_pages import entries, section

STEMS = [path.stem for path in notebooks().values()]
PAGES = [f"{name}.html" for name in ("index", *STEMS, "notation", "glossary", "search", "genindex")]
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
        target = site / unquote(parts.path) if parts.path else site / name
        assert target.is_file(), f"{name}: {link}"
        if parts.fragment and target.suffix == ".html":
            assert unquote(parts.fragment) in read(target).ids, f"{name}: {link}"


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_loaded_from_elsewhere(site, name):
    page = read(site / name)
    assert any("mathjax" in load for load in page.loads) or name in (
        "index.html",
        "search.html",
        "genindex.html",
        "glossary.html",
    )
    for load in page.loads:
        assert not urlsplit(load).scheme and not urlsplit(load).netloc, load
        assert (site / urlsplit(load).path).is_file(), load
    assert not re.search(r"unpkg|jsdelivr|cdnjs|googleapis", (site / name).read_text(encoding="utf-8"))


def test_every_page_says_what_may_run(site):
    for path in site.glob("*.html"):
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


@pytest.mark.parametrize("stem", STEMS)
def test_a_notebook_is_all_there(site, stem):
    path = ROOT / "notebooks" / f"{stem}.ipynb"
    book = nbformat.read(path, as_version=4)
    outputs = [output for cell in book.cells for output in cell.get("outputs", [])]
    alts = [output.metadata["image/png"]["alt"] for output in outputs if "image/png" in output.get("data", {})]
    assert [" ".join(alt.split()) for alt in read(site / f"{stem}.html").pictures] == [
        " ".join(alt.split()) for alt in alts
    ]
    assert (site / "notebooks" / path.name).read_bytes() == path.read_bytes()
    shown = [kind for kind, page in pages_of_explorers({path.name[:2]: book}).items() if page == f"{stem}.html"]
    for kind in shown:
        assert f"explorers/{kind}.html" in read(site / f"{stem}.html").loads
        assert f"../{stem}.html" in (site / "explorers" / f"{kind}.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("stem", STEMS)
def test_a_table_that_a_cell_shows_is_a_table(site, stem):
    book = nbformat.read(ROOT / "notebooks" / f"{stem}.ipynb", as_version=4)
    html = (site / f"{stem}.html").read_text(encoding="utf-8")
    tables = sum(is_table(output) for cell in book.cells for output in cell.get("outputs", []))
    assert html.count("<table") >= tables and "<p>|" not in html


def test_the_contents_list_every_notebook_in_order(site):
    links = [link.removesuffix(".html") for link in read(site / "index.html").links]
    found = list(dict.fromkeys(link for link in links if link in STEMS))
    assert found == STEMS
    assert {"notation.html", "glossary.html"} <= set(read(site / "index.html").links)


def test_notation_and_glossary_are_those_of_notebook_00(site):
    words = {
        name: (site / f"{name}.html").read_text(encoding="utf-8") for name in ("notation", "glossary", "00_start_here")
    }
    for symbol in (r"\mathcal{D}", r"\mathbb{E}_w", "log_probs_N_K_C"):
        assert symbol in words["notation"] and symbol in words["00_start_here"]
    assert {"term-Pool", "term-Batch", "term-Posterior"} <= set(read(site / "glossary.html").ids)
    start_here = prose_of(nbformat.read(notebooks()["00"], as_version=4))
    assert words["glossary"].count("<dt") == len(entries(section(start_here, "Glossary"))) >= 8
