"""The content security policy of pages: what stands in a page and beside it works, and nothing else."""

import pytest

from publishing.policy import inline_scripts, policy, with_policy

HELLO = "alert('Hello, world.');"
SUM_OF_HELLO = "'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='"  # from the standard, Content Security Policy 3
PAGE = """<!doctype html>
<html><head><meta charset="utf-8"><title>A page</title><style>p { color: rgb(1, 2, 3) }</style>
<script>window.own = 1 < 2 && "é";</script><script src="beside.js"></script>
<script type="application/json">{"data": 1}</script></head>
<body><p style="margin: 7px">Text</p><article><script>window.shown = 1</script></article></body></html>"""


def test_a_script_is_named_as_the_standard_names_it():
    assert f"script-src 'self' file: {SUM_OF_HELLO};" in policy([HELLO])
    assert "script-src 'self' file:;" in policy([])


def test_the_scripts_of_a_page_are_those_that_run_and_that_no_notebook_shows():
    assert inline_scripts(PAGE) == ['window.own = 1 < 2 && "é";']


@pytest.mark.parametrize("charset", ['<meta charset="utf-8">', '<meta charset="utf-8"/>', '<meta charset="utf-8" />'])
def test_the_policy_stands_ahead_of_every_script(charset):
    page = with_policy(f"<head>{charset}<script>{HELLO}</script></head>", [HELLO])
    assert page.index(charset) < page.index("Content-Security-Policy") < page.index("<script>")
    with pytest.raises(ValueError, match='html: expected <meta charset="utf-8">'):
        with_policy("<head><script></script></head>", [HELLO])


def test_in_a_browser_the_page_works_and_nothing_is_added(tmp_path, browser, attack):
    (tmp_path / "beside.js").write_text("window.beside = 1")
    (tmp_path / "page.html").write_text(with_policy(PAGE, inline_scripts(PAGE)), encoding="utf-8")
    page = browser.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    assert page.evaluate("[window.own, window.beside, window.shown ?? null]") == ["é", 1, None]
    style = page.locator("p").evaluate("p => [getComputedStyle(p).color, getComputedStyle(p).margin]")
    assert style == ["rgb(1, 2, 3)", "7px"]
    attack(page)
    page.close()
