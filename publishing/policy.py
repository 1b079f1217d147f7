"""A content security policy for pages that bring everything with them: the browser itself refuses whatever is not theirs.

Scripts are files of the page's own server, and those in the page that are named by their sums: any other script, a handler in
an attribute, `eval` and everything from another server are refused. Two things stay open. Styles may be inline, since MathJax
writes `<style>` elements and tables have `style` attributes. And `file:` stands beside `'self'`, since a page that is opened
from a disk has no server for `'self'` to mean; on a web site it lets nothing in, for there browsers load no files.
"""

import base64
import hashlib
import re
from collections.abc import Iterable
from html.parser import HTMLParser

OURS = "'self' file:"
SCRIPT_TYPES = ("", "text/javascript", "module")  # others hold data
CHARSET = re.compile(r'<meta charset="utf-8" ?/?>')


class _InlineScripts(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.scripts: list[str] = []
        self.in_script = self.in_article = False
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        told = dict(attributes)
        self.in_article |= tag == "article"
        executed = tag == "script" and "src" not in told and (told.get("type") or "") in SCRIPT_TYPES
        self.in_script = executed and not self.in_article
        if self.in_script:
            self.scripts.append("")

    def handle_endtag(self, tag):
        self.in_script = False
        self.in_article &= tag != "article"

    def handle_data(self, data):
        if self.in_script:
            self.scripts[-1] += data


def inline_scripts(html: str) -> list[str]:
    """The scripts that stand in a page, but for those in its article: what a notebook shows runs nothing."""
    return _InlineScripts(html).scripts


def named(script: str) -> str:
    """A script as a policy names it, by its sum."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def policy(scripts: Iterable[str]) -> str:
    """The policy of a page in which these scripts stand."""
    directives = {
        "default-src": "'none'",
        "script-src": " ".join([OURS, *sorted(set(map(named, scripts)))]),
        "style-src": f"{OURS} 'unsafe-inline'",
        "img-src": f"{OURS} data:",
        "font-src": OURS,
        "connect-src": OURS,  # the search fetches the pages that it quotes
        "frame-src": OURS,  # explorers; the speaker's view of the slides
        "form-action": OURS,
        "base-uri": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in directives.items())


def with_policy(html: str, scripts: Iterable[str]) -> str:
    """The page with its policy, which stands behind the character set and ahead of every script.

    Raises ValueError where the page does not say its character set.
    """
    charset = CHARSET.search(html)
    if charset is None:
        raise ValueError('html: expected <meta charset="utf-8">, got none')
    meta = f'\n<meta http-equiv="Content-Security-Policy" content="{policy(scripts)}">'
    return html[: charset.end()] + meta + html[charset.end() :]
