"""How a verdict looks: a sign, a colour and words, so that nothing rests on one of them alone."""

import html
import re

from bal_utils.plotting import PALETTE

INLINE = re.compile(r"`([^`]+)`|\$([^$]+)\$|\*\*(\S(?:[^*]*\S)?)\*\*|\*(\S(?:[^*]*\S)?)\*")
RIGHT, NOT_YET = ("✓", "Right.", PALETTE["green"]), ("✗", "Not yet.", PALETTE["vermillion"])


def as_html(text: str) -> str:
    """A sentence in HTML: `code`, *stress*, **more of it**, and formulas between dollars, which MathJax finds in all places."""
    return INLINE.sub(_element, html.escape(text))


def _element(found: re.Match) -> str:
    code, formula, strong, stressed = found.groups()
    if code:
        return f"<code>{code}</code>"
    if formula:
        return rf'<span class="math notranslate nohighlight">\({formula}\)</span>'
    return f"<strong>{strong}</strong>" if strong else f"<em>{stressed}</em>"


def verdict_in_html(right: bool, message: str) -> str:
    """What is said to an answer, as HTML that needs no style sheet."""
    sign, words, colour = RIGHT if right else NOT_YET
    return (
        f'<p style="border-left: 6px solid {colour}; margin: 6px 0; padding: 2px 10px">'
        f'<strong><span style="color: {colour}">{sign}</span> {words}</strong> '
        f"{as_html(message.removeprefix(words).strip())}</p>"
    )


def verdict_in_markdown(title: str, right: bool, message: str) -> str:
    """What is said to the answer of an exercise, as Markdown."""
    sign, words, colour = RIGHT if right else NOT_YET
    sentence = message.removeprefix(words).strip()
    return f'<span style="color: {colour}">{sign}</span> **{title}**  \n**{words}** {sentence}'
