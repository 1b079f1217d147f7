"""What the commands of this folder read: names of files and folders, and nothing else."""

import sys
from pathlib import Path


def paths_given(usage: str, *, at_least: int = 1, at_most: int | None = None) -> list[Path]:
    """The words after the command, as paths. Ends the command with its usage where they are too few or too many.

    So it does for a word that begins with a dash: `--help` asks a question, and is no folder to write to.
    """
    given = sys.argv[1:]
    options = [word for word in given if word.startswith("-")]
    if options or len(given) < at_least or (at_most is not None and len(given) > at_most):
        asked = options in (["-h"], ["--help"])
        print(f"usage: {usage}", file=sys.stdout if asked else sys.stderr)
        raise SystemExit(0 if asked else 2)
    return [Path(word) for word in given]
