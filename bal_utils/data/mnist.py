"""MNIST's four files: where they are, how they come here, and what is in them once verified.

Whatever lies in a folder or comes from a mirror, no more is read than the published file can hold, and a mirror has
`LONGEST_DOWNLOAD` seconds for it.
"""

import gzip
import hashlib
import io
import math
import os
import tempfile
import zlib
from concurrent.futures import Future
from pathlib import Path
from threading import Thread
from typing import NamedTuple
from urllib.parse import urlsplit

import numpy as np


class MnistFile(NamedTuple):
    """One of the four files; `sha256` and `size` are of the uncompressed bytes, because mirrors compress differently."""

    name: str
    sha256: str
    size: int

    @property
    def names(self) -> tuple[str, ...]:
        """What the file is called in a folder: as published or, from some mirrors, with a dot before `idx`."""
        dotted = self.name.replace("-idx", ".idx")
        return tuple(name + ending for name in (self.name, dotted) for ending in (".gz", ""))

    @property
    def most(self) -> int:
        """Bytes that the file may have, compressed or plain: gzip adds little even where it does not compress."""
        return self.size + GZIP_ROOM


FILES: dict[str, MnistFile] = {
    "train_images": MnistFile(
        "train-images-idx3-ubyte", "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db", 47_040_016
    ),
    "train_labels": MnistFile(
        "train-labels-idx1-ubyte", "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5", 60_008
    ),
    "test_images": MnistFile(
        "t10k-images-idx3-ubyte", "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7", 7_840_016
    ),
    "test_labels": MnistFile(
        "t10k-labels-idx1-ubyte", "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2", 10_008
    ),
}
MIRRORS: tuple[str, ...] = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://raw.githubusercontent.com/fgnt/mnist/master/",
)
TIMEOUTS = (5, 20)  # seconds to connect, and to wait for the next bytes
CHUNK = 8_192  # bytes between two looks at the bounds
LONGEST_DOWNLOAD = 300  # seconds for one file from one mirror: the largest, 10 MB, needs 33 kB a second
GZIP_ROOM = 65_536  # five bytes in 64 KiB that are stored as they are, and the header
MOST_DIMENSIONS = 32  # of an array, in every version of NumPy
GZIP_MAGIC = b"\x1f\x8b"
IDX_UNSIGNED_BYTE = 0x08


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
                content = _fetch(f"{mirror}{part.name}", file.most)
                verified(content, file, mirror)
            except ModuleNotFoundError:
                raise
            except ValueError:
                failures.append(f"{urlsplit(mirror).netloc} (sent a damaged file)")
            except Exception as error:  # whatever one mirror does, the next is asked
                failures.append(f"{urlsplit(mirror).netloc} ({type(error).__name__})")
            else:
                part.write_bytes(content)
                return part.replace(folder.absolute() / part.name)
    raise ConnectionError(f"{file.name} could not be downloaded from {', '.join(failures)}")


class _Arriving(io.BytesIO):
    """Bytes as they come; raises ValueError for more than `most`, and for any once it is closed."""

    def __init__(self, most: int):
        super().__init__()
        self.most = most

    def write(self, chunk: bytes) -> int:
        if self.tell() + len(chunk) > self.most:
            raise ValueError(f"expected at most {self.most:,} bytes, got more")
        return super().write(chunk)


def _fetch(url: str, most: int) -> bytes:
    """Downloads one address, with a progress bar.

    Raises ValueError for more than `most` bytes, TimeoutError after `LONGEST_DOWNLOAD` seconds, and what requests raises.
    """
    import requests
    from tqdm import tqdm

    arriving, done = _Arriving(most), Future()
    settings = {
        "timeout": TIMEOUTS,
        "headers": {"Accept-Encoding": "identity"},
        "hooks": {"response": _refuse_indirect},
    }

    def receive() -> None:
        try:
            with requests.get(url, stream=True, **settings) as response:
                response.raise_for_status()
                bar.total = int(response.headers.get("Content-Length", 0)) or None
                for chunk in response.iter_content(CHUNK):
                    arriving.write(chunk)
                    bar.update(len(chunk))
            done.set_result(arriving.getvalue())
        except Exception as error:
            done.set_exception(error)

    name = url.rpartition("/")[2]
    with tqdm(desc=f"Downloading {name}", unit="B", unit_scale=True, leave=False) as bar, arriving:
        # A mirror that sends a byte now and then meets no time-out of a socket: it is waited for from outside, and left
        # behind by a thread that does not keep Python alive.
        Thread(target=receive, daemon=True).start()
        return done.result(LONGEST_DOWNLOAD)


def _refuse_indirect(response, **_) -> None:
    """Raises ValueError for a redirection and for a body to be inflated: requests reads both without a bound."""
    if response.is_redirect or response.headers.get("Content-Encoding", "identity") != "identity":
        raise ValueError("expected the file itself, got a redirection or an encoded body")


def _read_verified(path: Path, file: MnistFile) -> bytes:
    """The uncompressed bytes of a file, compressed or plain, once their SHA-256 is that of the published file.

    Raises ValueError, naming the file and what to do, where it is truncated or otherwise not the published one. Reads
    no more than a byte over what the published file may have.
    """
    with path.open("rb") as opened:
        return verified(opened.read(file.most + 1), file, str(path))


def verified(content: bytes, file: MnistFile, source: str) -> bytes:
    """The uncompressed bytes of `content`, which came from `source`. Raises ValueError as `_read_verified`."""
    remedy = f"Delete it and load again, or download {MIRRORS[0]}{file.name}.gz in its place"
    payload = content
    if content.startswith(GZIP_MAGIC) and len(content) <= file.most:
        try:
            payload = gzip.GzipFile(fileobj=io.BytesIO(content)).read(file.size + 1)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(
                f"{source}: expected a whole gzip file, got {len(content):,} bytes that are truncated or damaged ({error}). "
                f"{remedy}"
            ) from error
    if len(payload) > file.size:
        came = f"more than its {file.size:,} bytes"
    elif (sha256 := hashlib.sha256(payload).hexdigest()) != file.sha256:
        came = f"{len(payload):,} bytes with SHA-256 {sha256}"
    else:
        return payload
    raise ValueError(
        f"{source}: expected the published {file.name} (SHA-256 {file.sha256} uncompressed), got {came}. {remedy}"
    )


def parse_idx(payload: bytes, name: str = "payload") -> np.ndarray:
    """The array of unsigned bytes in an IDX file: 0, 0, type 8, dimensions D (1 to 32), D big-endian sizes, the values.

    Raises ValueError, naming the file, where the header or the length is another.
    """
    if len(payload) < 4 or payload[:3] != bytes((0, 0, IDX_UNSIGNED_BYTE)) or not 0 < payload[3] <= MOST_DIMENSIONS:
        raise ValueError(
            f"{name}: expected an IDX file of unsigned bytes (first bytes 00 00 08, then 01 to 20), "
            f"got {payload[:4].hex(' ')!r}"
        )
    start = 4 + 4 * payload[3]
    if len(payload) < start:
        raise ValueError(f"{name}: expected a header of {start} bytes, got a file of {len(payload)} bytes")
    shape = tuple(np.frombuffer(payload[4:start], dtype=">u4").tolist())
    if len(payload) != start + math.prod(shape):
        raise ValueError(
            f"{name}: expected {start + math.prod(shape):,} bytes for shape {shape}, got {len(payload):,} bytes"
        )
    try:
        return np.frombuffer(payload, dtype=np.uint8, offset=start).reshape(shape).copy()
    except ValueError as error:  # nothing by billions is no array
        raise ValueError(f"{name}: expected a shape that an array can have, got {shape}") from error


def read_arrays(paths: tuple[Path, ...]) -> dict[str, np.ndarray]:
    """The arrays in the four files that `locate` found, by the names in `FILES`. Raises ValueError as `_read_verified`."""
    return {
        field: parse_idx(_read_verified(path, file), str(path))
        for (field, file), path in zip(FILES.items(), paths, strict=True)
    }
