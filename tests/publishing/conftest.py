"""The web site for the tests that read it and for those that open it in a browser, and an attack on a page."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # for `pytest` without `python -m`

from publishing import vendor
from publishing.site import ROOT, build

# Every way in that a page has, tried from a timer: what Playwright calls itself may evaluate text. Port 9 answers nobody.
ATTACK = """async () => {
  const other = "http://127.0.0.1:9/other", refused = [], ran = [];
  const add = (tag, told) => document.body.append(Object.assign(document.createElement(tag), told));
  window.ran = (name) => ran.push(name);
  document.addEventListener("securitypolicyviolation", (event) => refused.push(event.effectiveDirective + " "
    + event.blockedURI));
  await new Promise((done) => setTimeout(done, 10));
  add("script", { textContent: "window.ran('inline')" });
  add("script", { src: "data:text/javascript,window.ran('data')" });
  add("script", { src: other });
  add("div", { innerHTML: "<img src='data:,' onerror='window.ran(`handler`)'>" });
  add("iframe", { src: other });
  add("object", { data: other });
  add("img", { src: other });
  add("base", { href: other });
  setTimeout("window.ran('text')", 0);
  try { window.eval("window.ran('eval')"); } catch {}
  await fetch(other).catch(() => {});
  await new Promise((done) => setTimeout(done, 300));
  return { ran, refused };
}"""
REFUSED = {
    "script-src-elem inline",
    "script-src-elem data",
    "script-src-elem http://127.0.0.1:9/other",
    "script-src-attr inline",
    "script-src eval",
    "connect-src http://127.0.0.1:9/other",
    "img-src http://127.0.0.1:9/other",
    "frame-src http://127.0.0.1:9",
    "object-src http://127.0.0.1:9",
    "base-uri http://127.0.0.1:9/other",
}


@pytest.fixture
def attack() -> Callable:
    """Tries to run and to load what is not part of an open page; fails where the browser lets anything through."""

    def try_everything(page) -> None:
        seen = page.evaluate(ATTACK)
        assert seen["ran"] == []
        assert set(seen["refused"]) >= REFUSED

    return try_everything


@pytest.fixture(scope="session")
def libraries() -> None:
    """The packages with JavaScript are in build/vendor."""
    if not list(vendor.CACHE.glob("*.whl")):
        try:
            vendor.download(vendor.CACHE)
        except RuntimeError as error:
            pytest.skip(f"build/vendor is empty, and {error}")


@pytest.fixture(scope="session")
def site(libraries) -> Path:
    """The site; built anew where something has changed since `make site`."""
    return build(ROOT / "build" / "site")
