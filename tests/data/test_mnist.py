"""MNIST's files, on small stand-ins: found, downloaded from a server on this machine, damaged in every way, refused."""

import errno
import gzip
import hashlib
import math
import os
import struct
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from bal_utils.data import load_images, mnist

ARRAYS = {
    "train_images": np.random.default_rng(0).integers(0, 256, (9, 28, 28), dtype=np.uint8),  # hardly compressible
    "train_labels": np.arange(9, dtype=np.uint8),
    "test_images": np.full((2, 28, 28), 7, dtype=np.uint8),
    "test_labels": np.array([2, 1], dtype=np.uint8),
}


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def payloads(monkeypatch):
    """Four small files in place of the published ones: name -> uncompressed bytes."""
    for name in ("BAL_DATA_DIR", "BAL_CACHE_DIR", "BAL_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    contents = {mnist.FILES[field].name: idx(array) for field, array in ARRAYS.items()}
    small = {
        field: file._replace(sha256=hashlib.sha256(contents[file.name]).hexdigest())
        for field, file in mnist.FILES.items()
    }
    monkeypatch.setattr(mnist, "FILES", small)
    return contents


@pytest.fixture
def folder(payloads, tmp_path):
    for name, payload in payloads.items():
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(payload))
    return tmp_path


class Mirror(ThreadingHTTPServer):
    """A mirror that fails in a chosen way; `asked` lists the paths that were asked for."""

    def __init__(self, payloads, fault=None):
        super().__init__(("127.0.0.1", 0), Answer)
        self.payloads, self.fault = payloads, fault
        self.asked, self.half_sent, self.closing = [], threading.Event(), threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}/"


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        mirror, name = self.server, self.path.strip("/").removesuffix(".gz")
        mirror.asked.append(name)
        content = gzip.compress(mirror.payloads[name])
        if mirror.fault == "login page":
            content = b"<html>Please log in</html>"
        self.send_response(404 if mirror.fault == "not found" else 200)
        if mirror.fault != "cut without length":
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        half = len(content) // 2
        self.wfile.write(content[:half])
        mirror.half_sent.set()
        if mirror.fault == "stall":
            mirror.closing.wait(30)
        if mirror.fault not in ("cut", "cut without length", "stall"):
            self.wfile.write(content[half:])

    def log_message(self, *arguments):
        pass


@pytest.fixture
def mirror(payloads, monkeypatch):
    """Starts mirrors on this machine: mirror(fault=...)."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    started = []

    def start(fault=None):
        server = Mirror(payloads, fault)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        started.append(server)
        return server

    yield start
    for server in started:
        server.closing.set()
        server.shutdown()
        server.server_close()


def assert_whole(paths):
    arrays = mnist.read_arrays(paths)
    assert arrays.keys() == ARRAYS.keys()
    for field, array in ARRAYS.items():
        assert np.array_equal(arrays[field], array)


@pytest.mark.parametrize("subfolder", [".", "mnist"])
@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("before_idx", ["-", "."])
@pytest.mark.parametrize("source", ["root", "BAL_DATA_DIR", "BAL_CACHE_DIR"])
def test_files_are_found_and_read(payloads, tmp_path, monkeypatch, source, before_idx, compressed, subfolder):
    (tmp_path / subfolder).mkdir(exist_ok=True)
    for name, payload in payloads.items():
        name = f"{before_idx}idx".join(name.rsplit("-idx", 1))
        place = tmp_path / subfolder / (f"{name}.gz" if compressed else name)
        place.write_bytes(gzip.compress(payload) if compressed else payload)
    monkeypatch.setenv("BAL_OFFLINE", "1")
    if source != "root":
        monkeypatch.setenv(source, str(tmp_path))
    assert_whole(mnist.locate(tmp_path if source == "root" else None))


def test_root_comes_before_the_environment(folder, monkeypatch):
    monkeypatch.setenv("BAL_DATA_DIR", str(folder / "nowhere"))
    assert_whole(mnist.locate(str(folder)))


@pytest.mark.parametrize("source", ["root", "BAL_DATA_DIR"])
def test_missing_folder_and_file_are_named(folder, monkeypatch, source):
    def locate(place):
        monkeypatch.setenv("BAL_DATA_DIR", str(place))
        return mnist.locate(place if source == "root" else None)

    with pytest.raises(FileNotFoundError, match=f"{source}: expected an existing folder, got .*nowhere"):
        locate(folder / "nowhere")
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(FileNotFoundError, match=f"{source}: expected t10k-labels-idx1-ubyte.gz") as caught:
        locate(folder)
    assert str(folder) in str(caught.value) and str(folder / "mnist") in str(caught.value)


def flipped(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda payload: gzip.compress(payload)[:-20], "whole gzip file"),
        (lambda payload: gzip.compress(payload)[:12], "whole gzip file"),
        (lambda payload: flipped(gzip.compress(payload), -6), "whole gzip file"),  # the checksum
        (lambda payload: flipped(gzip.compress(payload, 0), 40), "whole gzip file"),  # a stored byte
        (lambda payload: gzip.compress(payload)[:10] + b"\xff" * 100, "whole gzip file"),  # no such kind of block
        (lambda payload: gzip.compress(flipped(payload, 20)), "SHA-256"),  # well compressed, but another pixel
        (lambda payload: gzip.compress(payload[:-1]), "SHA-256"),
        (lambda payload: payload[:-1], "SHA-256"),
        (lambda payload: payload + b"\0", "SHA-256"),
        (lambda payload: b"", "SHA-256"),
        (lambda payload: b"<html>Please log in</html>", "SHA-256"),
        (lambda payload: b"\x80\x04cos\nsystem\n(S'true'\ntR.", "SHA-256"),  # a pickle
    ],
)
def test_damaged_file_is_named_with_what_to_do(folder, payloads, damage, message):
    path = folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(damage(payloads["train-images-idx3-ubyte"]))
    with pytest.raises(ValueError, match=message) as caught:
        mnist.read_arrays(mnist.locate(folder))
    assert str(path) in str(caught.value)
    assert f"Delete it and load again, or download {mnist.MIRRORS[0]}{path.name}" in str(caught.value)


def test_files_of_one_another_are_refused(folder):
    (folder / "train-labels-idx1-ubyte.gz").replace(folder / "t10k-labels-idx1-ubyte.gz")
    (folder / "train-labels-idx1-ubyte").write_bytes(idx(ARRAYS["train_labels"]))
    with pytest.raises(ValueError, match=r"t10k-labels-idx1-ubyte\.gz: expected the published t10k-labels-idx1-ubyte "):
        mnist.read_arrays(mnist.locate(folder))


@pytest.mark.parametrize("shape", [(5,), (2, 3), (2, 3, 4), (0, 4), (300, 2)])
def test_idx_is_parsed(shape):
    array = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    parsed = mnist.parse_idx(idx(array))
    assert parsed.dtype == np.uint8 and parsed.flags.writeable
    assert np.array_equal(parsed, array)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\0\0\x0d\x01" + struct.pack(">If", 1, 1.0),  # floats
        idx(ARRAYS["test_images"])[:-1],
        idx(ARRAYS["test_images"]) + b"\0",
    ],
)
def test_wrong_header_or_length_is_refused(payload):
    with pytest.raises(ValueError):
        mnist.parse_idx(payload)


def test_download_goes_on_to_the_next_mirror_and_fills_the_cache(payloads, mirror, tmp_path, monkeypatch, capsys):
    faults = ("not found", "cut", "cut without length", "login page", None)
    mirrors = [mirror(fault) for fault in faults]
    monkeypatch.setattr(mnist, "MIRRORS", tuple(server.url for server in mirrors))
    monkeypatch.setenv("BAL_CACHE_DIR", str(tmp_path / "new" / "cache"))
    paths = mnist.locate()
    assert_whole(paths)
    assert [server.asked for server in mirrors] == [list(payloads)] * len(faults)
    assert sorted(tmp_path.rglob("*.*")) == sorted(paths)  # no temporary files are left
    assert "Downloading train-images-idx3-ubyte.gz" in capsys.readouterr().err
    assert mnist.locate() == paths
    assert len(mirrors[-1].asked) == len(payloads)  # the second time nothing is downloaded


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("cut", "ChunkedEncodingError"),
        ("cut without length", "sent a damaged file"),
        ("login page", "sent a damaged file"),
        ("not found", "HTTPError"),
        ("stall", "ConnectionError|ReadTimeout"),
    ],
)
def test_failed_download_leaves_nothing_and_says_why(payloads, mirror, tmp_path, monkeypatch, fault, reason):
    server = mirror(fault)
    monkeypatch.setattr(mnist, "MIRRORS", (server.url,))
    monkeypatch.setattr(mnist, "TIMEOUTS", (1, 0.2))
    monkeypatch.setenv("BAL_CACHE_DIR", str(tmp_path))
    with pytest.raises(
        ConnectionError, match=rf"train-images-idx3-ubyte .*127\.0\.0\.1:{server.server_port} \({reason}"
    ):
        mnist.locate()
    assert list(tmp_path.iterdir()) == []


def unusable(place, kind):
    """A cache folder that nobody, root included, can use."""
    if kind == "is a file":
        place.write_bytes(b"")
    if kind == "lies in a file":
        place.write_bytes(b"")
        return place / "cache"
    if kind == "has a folder in the file's place":
        (place / "train-images-idx3-ubyte.gz" / "in the way").mkdir(parents=True)
    if kind == "has too long a name":
        return place / ("x" * 300)
    if kind == "is a loop of links":
        place.symlink_to(place)
    return place


@pytest.mark.parametrize(
    "kind",
    ["is a file", "lies in a file", "has a folder in the file's place", "has too long a name", "is a loop of links"],
)
def test_a_cache_that_cannot_be_used_gives_the_digits_and_names_its_variable(
    payloads, mirror, tmp_path, monkeypatch, kind
):
    monkeypatch.setattr(mnist, "MIRRORS", (mirror().url,))
    monkeypatch.setenv("BAL_CACHE_DIR", str(unusable(tmp_path / "cache", kind)))
    with pytest.raises(ConnectionError, match="BAL_CACHE_DIR"):
        mnist.locate()
    with pytest.warns(UserWarning, match="BAL_CACHE_DIR"):
        assert load_images().is_stand_in


def test_a_disk_that_is_full_gives_the_digits_too(payloads, mirror, tmp_path, monkeypatch):
    def full(path, content):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(mnist, "MIRRORS", (mirror().url,))
    monkeypatch.setenv("BAL_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.warns(UserWarning, match=r"No space left.*BAL_CACHE_DIR"):
        assert load_images().is_stand_in
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("refused", [Path.open, Path.is_file])
def test_files_that_may_not_be_read_are_a_sentence(folder, monkeypatch, refused):
    def forbidden(path, *arguments):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, refused.__name__, forbidden)  # tests may run as root, who may do everything
    for source in ("root", "BAL_DATA_DIR"):
        monkeypatch.setenv("BAL_DATA_DIR", str(folder))
        with pytest.raises(OSError, match=f"^{source}: expected a folder and files that can be read, got .*denied"):
            mnist.locate(folder if source == "root" else None)
    monkeypatch.delenv("BAL_DATA_DIR")
    monkeypatch.setenv("BAL_CACHE_DIR", str(folder))
    with pytest.warns(UserWarning, match=r"denied.*BAL_CACHE_DIR"):
        assert load_images().is_stand_in


def test_a_home_of_nobody_is_a_folder_like_any_other(monkeypatch):
    monkeypatch.setenv("BAL_CACHE_DIR", "~nobody-of-that-name/cache")
    assert mnist.cache_folder() == Path("~nobody-of-that-name/cache")
    with pytest.raises(FileNotFoundError, match="root: expected an existing folder, got '~nobody-of-that-name'"):
        mnist.locate("~nobody-of-that-name")


@pytest.mark.slow
def test_killed_download_is_not_taken_for_whole(payloads, mirror, tmp_path, monkeypatch):
    stalling = mirror("stall")
    file = mnist.FILES["train_images"]
    code = (
        "import sys, pathlib; from bal_utils.data import mnist; mnist.MIRRORS = (sys.argv[1],)\n"
        "mnist.download(pathlib.Path(sys.argv[2]), mnist.FILES['train_images'])"
    )
    process = subprocess.Popen([sys.executable, "-c", code, stalling.url, str(tmp_path)], stderr=subprocess.DEVNULL)
    try:
        assert stalling.half_sent.wait(60)
    finally:
        process.kill()
        process.wait()
    assert mnist.find(tmp_path, file) is None
    monkeypatch.setattr(mnist, "MIRRORS", (mirror().url,))
    monkeypatch.setenv("BAL_CACHE_DIR", str(tmp_path))
    assert_whole(mnist.locate())


def test_offline_asks_no_mirror(payloads, mirror, tmp_path, monkeypatch):
    server = mirror()
    monkeypatch.setattr(mnist, "MIRRORS", (server.url,))
    monkeypatch.setenv("BAL_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("BAL_OFFLINE", "1")
    with pytest.raises(ConnectionError, match=r"train-images-idx3-ubyte is not in .*BAL_OFFLINE is set"):
        mnist.locate()
    assert server.asked == []


def test_published_files_are_whole():
    if not os.environ.get("BAL_DATA_DIR"):
        pytest.skip("BAL_DATA_DIR is not set: the published MNIST files are not at hand")
    arrays = mnist.read_arrays(mnist.locate())
    shapes = {field: array.shape for field, array in arrays.items()}
    assert shapes["train_images"] == (60000, 28, 28) and shapes["test_images"] == (10000, 28, 28)
    assert arrays["train_labels"][:5].tolist() == [5, 0, 4, 1, 9]  # the five images that open every MNIST tutorial
    assert arrays["test_labels"][:5].tolist() == [7, 2, 1, 0, 4]
    counts = np.bincount(arrays["train_images"].ravel(), minlength=256)
    values = np.arange(256) / 255
    mean = np.average(values, weights=counts)
    deviation = math.sqrt(np.average((values - mean) ** 2, weights=counts))
    assert (round(mean, 4), round(deviation, 4)) == (0.1307, 0.3081)
