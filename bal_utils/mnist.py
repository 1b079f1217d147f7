"""MNIST's four files: where they are, how they come here, and what is in them once verified."""

import gzip
import hashlib
import math
import os
import tempfile
import zlib
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import numpy as np


class MnistFile(NamedTuple):
    """One of the four files; `sha256` is that of the uncompressed bytes, because mirrors compress differently."""

    name: str
    sha256: str


FILES: dict[str, MnistFile] = {
    "train_images": MnistFile(
        "train-images-idx3-ubyte", "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
    ),
    "train_labels": MnistFile(
        "train-labels-idx1-ubyte", "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
    ),
    "test_images": MnistFile(
        "t10k-images-idx3-ubyte", "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
    ),
    "test_labels": MnistFile(
        "t10k-labels-idx1-ubyte", "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
    ),
}
MIRRORS: tuple[str, ...] = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://raw.githubusercontent.com/fgnt/mnist/master/",
)
TIMEOUTS = (5, 20)  # seconds to connect, and to wait for the next bytes
GZIP_MAGIC = b"\x1f\x8b"
IDX_UNSIGNED_BYTE = 0x08


def locate(root: str | Path | None = None) -> tuple[Path, ...]:
    """The paths of the four files, in the order of `FILES`: in `root`, else in `BAL_DATA_DIR`, else in the cache.

    The cache is `BAL_CACHE_DIR`, else the platform's cache folder; what it lacks is downloaded into it.
    Raises FileNotFoundError where the folder in `root` or `BAL_DATA_DIR`, or a file in it, does not exist, and
    ConnectionError where a file has to be downloaded and cannot be.
    """
    if root is not None:
        return tuple(find_given(root, "root", file) for file in FILES.values())
    if data_folder := os.environ.get("BAL_DATA_DIR"):
        return tuple(find_given(data_folder, "BAL_DATA_DIR", file) for file in FILES.values())
    cache = cache_folder()
    return tuple(find(cache, file) or download(cache, file) for file in FILES.values())


def find(folder: Path, file: MnistFile) -> Path | None:
    """The path of a file, compressed or plain, in a folder or its `mnist/` subfolder; None where it is not there."""
    places = (place / (file.name + ending) for place in (folder, folder / "mnist") for ending in (".gz", ""))
    return next((path.absolute() for path in places if path.is_file()), None)


def find_given(folder: str | Path, source: str, file: MnistFile) -> Path:
    """As `find`, in a folder that the learner named; raises FileNotFoundError where the folder or the file is missing."""
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(f"{source}: expected an existing folder, got {str(folder)!r}")
    path = find(folder, file)
    if path is None:
        raise FileNotFoundError(
            f"{source}: expected {file.name}.gz or {file.name} in {str(folder)!r} or {str(folder / 'mnist')!r}, "
            f"found neither. Download {MIRRORS[0]}{file.name}.gz, or leave {source} out to have it downloaded"
        )
    return path


def cache_folder() -> Path:
    """Where downloads are kept: `BAL_CACHE_DIR`, else the platform's cache folder. It need not exist yet."""
    if named := os.environ.get("BAL_CACHE_DIR"):
        return Path(named).expanduser()
    import pooch

    return Path(pooch.os_cache("bayesian-active-learning"))


def download(folder: Path, file: MnistFile) -> Path:
    """Fetches one file from the first mirror that has it whole, and returns its path in `folder`.

    The file gets its name only once it is whole and verified, so an interrupted download is never taken for one.
    Raises ConnectionError where no mirror gives it, or where `BAL_OFFLINE` is set.
    """
    if os.environ.get("BAL_OFFLINE", "0") != "0":
        raise ConnectionError(f"{file.name} is not in {str(folder)!r}, and BAL_OFFLINE is set")
    import requests

    folder.mkdir(parents=True, exist_ok=True)
    failures = []
    with tempfile.TemporaryDirectory(dir=folder, prefix=".download-") as temporary:
        part = Path(temporary, f"{file.name}.gz")
        for mirror in MIRRORS:
            try:
                fetch(f"{mirror}{part.name}", part)
                read_verified(part, file)
            except requests.RequestException as error:
                failures.append(f"{urlsplit(mirror).netloc} ({type(error).__name__})")
            except ValueError:
                failures.append(f"{urlsplit(mirror).netloc} (sent a damaged file)")
            else:
                return part.replace(folder.absolute() / part.name)
    raise ConnectionError(f"{file.name} could not be downloaded from {', '.join(failures)}")


def fetch(url: str, path: Path) -> None:
    """Downloads one address to `path`, with a progress bar."""
    import pooch
    from tqdm import tqdm

    # pooch sets the total once the mirror has told it, but asks for the bar's truth before, which needs a total
    with tqdm(total=1, desc=f"Downloading {path.name}", unit="B", unit_scale=True, leave=False) as bar:
        pooch.HTTPDownloader(progressbar=bar, timeout=TIMEOUTS)(url, path, None)


def read_verified(path: Path, file: MnistFile) -> bytes:
    """The uncompressed bytes of a file, compressed or plain, once their SHA-256 is that of the published file.

    Raises ValueError, naming the file and what to do, where it is truncated or otherwise not the published one.
    """
    remedy = f"Delete it and load again, or download {MIRRORS[0]}{file.name}.gz in its place"
    content = path.read_bytes()
    try:
        payload = gzip.decompress(content) if content.startswith(GZIP_MAGIC) else content
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(
            f"{path}: expected a whole gzip file, got {len(content):,} bytes that are truncated or damaged ({error}). "
            f"{remedy}"
        ) from error
    sha256 = hashlib.sha256(payload).hexdigest()
    if sha256 != file.sha256:
        raise ValueError(
            f"{path}: expected the published {file.name} (SHA-256 {file.sha256} uncompressed), "
            f"got {len(payload):,} bytes with SHA-256 {sha256}. {remedy}"
        )
    return payload


def parse_idx(payload: bytes, name: str = "payload") -> np.ndarray:
    """The array of unsigned bytes in an IDX file: 0, 0, type 8, number of dimensions D, D big-endian sizes, the values.

    Raises ValueError, naming the file, where the header or the length is another.
    """
    if len(payload) < 4 or payload[:3] != bytes((0, 0, IDX_UNSIGNED_BYTE)) or payload[3] == 0:
        raise ValueError(
            f"{name}: expected an IDX file of unsigned bytes (first bytes 00 00 08), got {payload[:4].hex(' ')!r}"
        )
    start = 4 + 4 * payload[3]
    if len(payload) < start:
        raise ValueError(f"{name}: expected a header of {start} bytes, got a file of {len(payload)} bytes")
    shape = tuple(np.frombuffer(payload[4:start], dtype=">u4").tolist())
    if len(payload) != start + math.prod(shape):
        raise ValueError(
            f"{name}: expected {start + math.prod(shape):,} bytes for shape {shape}, got {len(payload):,} bytes"
        )
    return np.frombuffer(payload, dtype=np.uint8, offset=start).reshape(shape).copy()


def read_arrays(paths: tuple[Path, ...]) -> dict[str, np.ndarray]:
    """The arrays in the four files that `locate` found, by the names in `FILES`. Raises ValueError as `read_verified`."""
    return {
        field: parse_idx(read_verified(path, file), str(path))
        for (field, file), path in zip(FILES.items(), paths, strict=True)
    }
