"""MNIST's four files: where they are, how they come here, and what is in them once verified."""

import gzip
import hashlib
import os
import tempfile
import zlib
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import numpy as np


class MnistFile(NamedTuple):
    """One of the four files; `sha256` is of the uncompressed bytes, because mirrors compress differently."""

    name: str
    sha256: str

    @property
    def names(self) -> tuple[str, ...]:
        """What the file is called in a folder: as published or, from some mirrors, with a dot before `idx`."""
        dotted = self.name.replace("-idx", ".idx")
        return tuple(name + ending for name in (self.name, dotted) for ending in (".gz", ""))


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
CHUNK = 65_536  # bytes
GZIP_MAGIC = b"\x1f\x8b"
IDX_MAGIC = b"\0\0\x08"  # of unsigned bytes; the number of dimensions follows


def locate(root: str | Path | None = None) -> tuple[Path, ...]:
    """The paths of the four files, in the order of `FILES`: in `root`, else in `BAL_DATA_DIR`, else in the cache.

    The cache is `BAL_CACHE_DIR`, else the platform's cache folder; what it lacks is downloaded into it.
    Raises FileNotFoundError where the folder in `root` or `BAL_DATA_DIR`, or a file in it, does not exist, and
    ConnectionError where a file has to be downloaded and cannot be, or the cache cannot be used.
    """
    if root is not None:
        return tuple(_find_given(root, "root", file) for file in FILES.values())
    if data_folder := os.environ.get("BAL_DATA_DIR"):
        return tuple(_find_given(data_folder, "BAL_DATA_DIR", file) for file in FILES.values())
    cache = cache_folder()
    try:
        return tuple(_find_readable(cache, file) or download(cache, file) for file in FILES.values())
    except ConnectionError:
        raise
    except OSError as error:
        raise ConnectionError(
            f"MNIST can be neither read from {str(cache)!r} nor kept there ({error}): "
            "name a folder that can be written in BAL_CACHE_DIR"
        ) from error


def find(folder: Path, file: MnistFile) -> Path | None:
    """The path of a file, compressed or plain, in a folder or its `mnist/` subfolder; None where it is not there."""
    places = (place / name for place in (folder, folder / "mnist") for name in file.names)
    return next((path.absolute() for path in places if path.is_file()), None)


def _find_readable(folder: Path, file: MnistFile) -> Path | None:
    """As `find`; raises OSError where the file is there and cannot be opened."""
    if path := find(folder, file):
        path.open("rb").close()
    return path


def _find_given(folder: str | Path, source: str, file: MnistFile) -> Path:
    """As `find`, in a folder that the learner named.

    Raises FileNotFoundError where the folder or the file is missing, and OSError where one cannot be read.
    """
    folder = Path(os.path.expanduser(folder))
    try:
        is_folder, path = folder.is_dir(), _find_readable(folder, file)
    except OSError as error:
        raise OSError(f"{source}: expected a folder and files that can be read, got {error}") from error
    if not is_folder:
        raise FileNotFoundError(f"{source}: expected an existing folder, got {str(folder)!r}")
    if path is None:
        raise FileNotFoundError(
            f"{source}: expected {file.name}.gz or {file.name} in {str(folder)!r} or {str(folder / 'mnist')!r}, "
            f"found neither. Download {MIRRORS[0]}{file.name}.gz, or leave {source} out to have it downloaded"
        )
    return path


def cache_folder() -> Path:
    """Where downloads are kept: `BAL_CACHE_DIR`, else the platform's cache folder. It need not exist yet."""
    if named := os.environ.get("BAL_CACHE_DIR"):
        return Path(os.path.expanduser(named))  # which leaves a ~ that stands for nobody as it is
    import platformdirs

    return platformdirs.user_cache_path("bayesian-active-learning")


def download(folder: Path, file: MnistFile) -> Path:
    """Fetches one file from the first mirror that has it whole, and returns its path in `folder`.

    The file gets its name only once it is whole and verified, so an interrupted download is never taken for one.
    Raises ConnectionError where no mirror gives it, or where `BAL_OFFLINE` is set, and OSError where `folder` cannot hold it.
    """
    if os.environ.get("BAL_OFFLINE", "0") != "0":
        raise ConnectionError(f"{file.name} is not in {str(folder)!r}, and BAL_OFFLINE is set")
    folder.mkdir(parents=True, exist_ok=True)
    failures = []
    with tempfile.TemporaryDirectory(dir=folder, prefix=".download-") as temporary:
        part = Path(temporary, f"{file.name}.gz")
        for mirror in MIRRORS:
            try:
                content = _fetch(f"{mirror}{part.name}")
                verified(content, file, mirror)
            except ModuleNotFoundError:
                raise
            except ValueError:
                failures.append(f"{urlsplit(mirror).netloc} (sent a damaged file)")
            except OSError as error:  # among them all that requests raises
                failures.append(f"{urlsplit(mirror).netloc} ({type(error).__name__})")
            else:
                part.write_bytes(content)
                return part.replace(folder.absolute() / part.name)
    raise ConnectionError(f"{file.name} could not be downloaded from {', '.join(failures)}")


def _fetch(url: str) -> bytes:
    """Downloads one address, with a progress bar. Raises what requests raises, all of it OSError."""
    import requests
    from tqdm import tqdm

    parts, name = [], url.rpartition("/")[2]
    with requests.get(url, stream=True, timeout=TIMEOUTS) as response:
        response.raise_for_status()
        size = int(response.headers.get("Content-Length", 0)) or None
        with tqdm(desc=f"Downloading {name}", total=size, unit="B", unit_scale=True, leave=False) as bar:
            for chunk in response.iter_content(CHUNK):
                parts.append(chunk)
                bar.update(len(chunk))
    return b"".join(parts)


def verified(content: bytes, file: MnistFile, source: str) -> bytes:
    """The uncompressed bytes of `content`, which came from `source`, once their SHA-256 is that of the published file.

    Raises ValueError, naming the source and what to do, where it is truncated or otherwise not the published one.
    """
    remedy = f"Delete it and load again, or download {MIRRORS[0]}{file.name}.gz in its place"
    try:
        payload = gzip.decompress(content) if content.startswith(GZIP_MAGIC) else content
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(
            f"{source}: expected a whole gzip file, got {len(content):,} bytes that are truncated or damaged ({error}). "
            f"{remedy}"
        ) from error
    if (sha256 := hashlib.sha256(payload).hexdigest()) != file.sha256:
        raise ValueError(
            f"{source}: expected the published {file.name} (SHA-256 {file.sha256} uncompressed), got {len(payload):,} bytes "
            f"with SHA-256 {sha256}. {remedy}"
        )
    return payload


def parse_idx(payload: bytes) -> np.ndarray:
    """The array of unsigned bytes in an IDX file: 0, 0, type 8, the number of dimensions D, D big-endian sizes, the values.

    Raises ValueError where it begins otherwise, or the sizes do not fit the length.
    """
    if not payload.startswith(IDX_MAGIC):
        raise ValueError(
            f"payload: expected an IDX file of unsigned bytes, got one that begins with {payload[:3].hex(' ')}"
        )
    start = 4 + 4 * payload[3]
    shape = np.frombuffer(payload[4:start], dtype=">u4")
    return np.frombuffer(payload, dtype=np.uint8, offset=start).reshape(shape).copy()


def read_arrays(paths: tuple[Path, ...]) -> dict[str, np.ndarray]:
    """The arrays in the four files that `locate` found, by the names in `FILES`. Raises ValueError as `verified`."""
    return {
        field: parse_idx(verified(path.read_bytes(), file, str(path)))
        for (field, file), path in zip(FILES.items(), paths, strict=True)
    }
