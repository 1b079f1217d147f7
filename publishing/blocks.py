"""A lesson's Markdown in pieces: blocks, sentences, and what of them is shown on a slide.

A block is what blank lines separate: a heading, a paragraph, a formula, a list, a table. `show("0 1.0-1 | 3", blocks)` picks
blocks by number, sentences by a number after a dot, and begins another slide at each bar. Where nobody has picked,
`condensed` keeps headings, formulas, tables, lists, questions and predictions, and the first sentence of every other paragraph.
"""

import re

MOST_WORDS = 45  # on one slide; more is read out, not read
FOR_THE_READER = ("    ", "**You need", "**Needs", "**Run time", "No earlier notebook")
FOR_THE_PAGE = re.compile(
    r"<!-- (hosted|way|next) -->.*?<!-- /\1 -->", re.DOTALL
)  # badges, and links between notebooks
ON_PAPER = re.compile(r"\b([Tt]he|[Tt]his|[Nn]ext|[Ff]ollowing) (next )?cell\b|run (it|the cell)|First the picture")
ITEM = re.compile(r"(?:[-*]|\d+\.) +")
ITEMS = re.compile(r"\n(?=(?:[-*]|\d+\.) )")
BREAK = re.compile(r"(?<=[.?:])(?:\*\*)?\s+(?=[A-Z*`\"(\[«“$0-9])")
KEPT = re.compile(r"\$[^$]*\$|`[^`]*`|\b(?:e\.g|i\.e|cf|vs|Fig|eq|al)\.|\b[A-Z]\.(?=\s)")
NUMBER = re.compile(r"(\d+)(?:-(\d+))?(?:\.(\d+)(?:-(\d+))?)?")


def blocks_of(source: str) -> list[str]:
    """The blocks of a Markdown cell; fenced code and displayed formulas stay whole."""
    blocks, inside = [[]], False
    for line in FOR_THE_PAGE.sub("", source).strip().splitlines():
        if line.startswith("#") and not inside:
            blocks += [[line], []]
            continue
        if line.startswith("```") or line.count("$$") % 2:
            inside = not inside
        if line.strip() or inside:
            blocks[-1].append(line)
        else:
            blocks.append([])
    return ["\n".join(lines) for lines in blocks if lines]


def sentences_of(block: str) -> list[str]:
    """The sentences of a paragraph; a dot inside a formula, code or an abbreviation ends none."""
    kept = []
    hidden = KEPT.sub(lambda found: kept.append(found[0]) or f"\0{len(kept) - 1}\0", " ".join(block.split("\n")))
    pieces = BREAK.sub(lambda found: found[0].strip() + "\1", hidden.replace(" \0", " $\0")).split("\1")
    return [re.sub(r"\$?\0(\d+)\0", lambda found: kept[int(found[1])], piece.strip()) for piece in pieces]


def level(block: str) -> int:
    """1 for a title, 2 for a section's heading, 3 for a part's; 0 for any other block."""
    found = re.match(r"(#+) ", block)
    return len(found[1]) if found else 0


def show(choice: str, blocks: list[str]) -> list[list[str]]:
    """The chosen blocks, one list for each slide; raises ValueError where a number names nothing."""
    return [[text for number in slide.split() for text in chosen(number, blocks)] for slide in choice.split("|")]


def chosen(number: str, blocks: list[str]) -> list[str]:
    found = NUMBER.fullmatch(number)
    if not found or int(found[2] or found[1]) >= len(blocks):
        raise ValueError(f"slide_blocks: expected numbers of the cell's {len(blocks)} blocks, got {number!r}")
    first, last, sentence, last_sentence = found.groups()
    if sentence is None:
        return blocks[int(first) : int(last or first) + 1]
    sentences = sentences_of(blocks[int(first)])
    if int(last_sentence or sentence) >= len(sentences):
        raise ValueError(f"slide_blocks: block {first} has {len(sentences)} sentences, got {number!r}")
    return [" ".join(sentences[int(sentence) : int(last_sentence or sentence) + 1])]


def condensed(blocks: list[str], most_words: int = MOST_WORDS) -> list[list[str]]:
    """What slides show where nobody has chosen, one list for each slide: a heading begins a new one."""
    slides = [[]]
    for block in blocks:
        if level(block):
            slides.append([])
        if not block.startswith(FOR_THE_READER):
            slides[-1].append(block)
    return [shown for slide in slides if slide and (shown := fitted(slide, most_words))]


def fitted(blocks: list[str], most_words: int) -> list[str]:
    """One slide's blocks; while they are too many words, the longest that can give up a sentence does so."""
    following = [*blocks[1:], ""]
    kept = [99] * len(blocks)  # sentences of each block; 0 leaves a bold lead alone
    while True:
        shown = [shortened(block, after, most) for block, after, most in zip(blocks, following, kept, strict=True)]
        if sum(words(text) for text in shown) <= most_words or not any(kept):
            return [text for text in shown if text]
        longest = max((place for place, most in enumerate(kept) if most), key=lambda place: words(shown[place]))
        kept[longest] = min(kept[longest], 6) - 1


def words(block: str) -> int:
    return 0 if block.startswith("$$") else len(re.findall(r"[\w$]+", block.replace("|", " ")))


def shortened(block: str, following: str, most: int) -> str:
    """At most so many sentences of a block: the first ones, or the last ones before a formula; 0 asks for a bold lead alone."""
    if level(block) or block.startswith(("$$", "|", ">", "**Predict", "**You will", "<", "```")):
        return block
    if ITEM.match(block):
        return "\n".join(
            ITEM.match(item)[0] + lead(item[ITEM.match(item).end() :], most) for item in ITEMS.split(block)
        )
    if following.startswith("$$"):
        return " ".join(sentences_of(block)[-max(most, 1) :])
    text = lead(block, most)
    return text if following else re.sub(r"(^|[.?] )[^.?]*:$", r"\1", text).strip()  # what it announces is not shown


def lead(text: str, most: int) -> str:
    bold = re.match(r"\*\*[^*]+\*\*", text)
    if most == 0 and bold and len(bold[0].split()) > 2:
        return bold[0]
    sentences = [sentence for sentence in sentences_of(text) if not ON_PAPER.search(sentence)]
    if not sentences:
        return ""
    return " ".join(sentences[: max(most, 1) + bool(bold and sentences[0].endswith("**"))])
