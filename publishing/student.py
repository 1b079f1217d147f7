"""The notebooks as a class gets them, without solutions: `python -m publishing.student OUT [NOTEBOOK...]`.

OUT/notebooks holds them with the glossary and the pages of `further`, and OUT/figures the stored runs that some of them
read. Gone are the lines that show a solution (hints stay), cells tagged `solution`, whatever the deck is made of, and the
outputs of exercises. A prediction keeps its stored page, on which each choice opens its sentence without a kernel; what
shows its answer stays folded. The package still holds the answers, as it must to check them; what is graded should come
from teaching/question_bank.md.
"""

import json
import re
import shutil
from pathlib import Path

from publishing.command import paths_given
from publishing.links import further_pages, lessons
from publishing.marks import mark, write
from publishing.stored import stored

ROOT = Path(__file__).parent.parent
SOLUTION = re.compile(r"^\s*#?\s*[\w.]+\.solution\(\)[ \t]*(#.*)?\n?", re.MULTILINE)
OFFERED = re.compile(r"\s+or\s+the\s+solution\b")
FOR_TEACHERS = ("slideshow", "slide_blocks", "speaker_notes")


def without_solutions(notebook: dict) -> dict:
    """A copy of a notebook (as JSON) for learners, outputs that give answers away left out."""
    # the edition is right for a notebook that nobody has marked yet, and for one that was saved after a run
    notebook = mark(stored(json.loads(json.dumps(notebook))))
    notebook["cells"] = [cell for cell in notebook["cells"] if "solution" not in cell["metadata"].get("tags", ())]
    for cell in notebook["cells"]:
        source, tags = "".join(cell["source"]), cell["metadata"].get("tags", ())
        if cell["cell_type"] == "markdown":
            cell["source"] = OFFERED.sub("", source).splitlines(keepends=True)
        else:
            cell["source"] = SOLUTION.sub("", source).rstrip("\n").splitlines(keepends=True)
            if "exercise" in tags:
                cell["outputs"], cell["execution_count"] = [], None
        for name in FOR_TEACHERS:
            cell["metadata"].pop(name, None)
    return notebook


def write_students(out: Path, paths: list[Path]) -> None:
    notebooks = out / "notebooks"
    (notebooks / "further").mkdir(parents=True, exist_ok=True)
    shutil.copytree(ROOT / "figures", out / "figures", dirs_exist_ok=True)
    shutil.copy(ROOT / "notebooks" / "glossary.md", notebooks)
    for folder, found in ((notebooks, paths), (notebooks / "further", further_pages())):
        for path in found:
            write(folder / path.name, without_solutions(json.loads(path.read_text(encoding="utf-8"))))


if __name__ == "__main__":
    place, *named = paths_given("python -m publishing.student OUT [NOTEBOOK...]")
    write_students(place, named or [*lessons().values()])
    print(f"{place}: notebooks without solutions")
