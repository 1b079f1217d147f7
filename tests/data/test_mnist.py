"""MNIST's files, on small stand-ins: found, downloaded from a server on this machine, damaged in every way, refused."""

import contextlib
import errno
import gzip
import hashlib
import math
import os
import struct
import subprocess
import sys
import threading
import tracemalloc
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
        field: file._replace(sha256=hashlib.sha256(contents[file.name]).hexdigest(), size=len(contents[file.name]))
        for field, file in mnist.FILES.items()
    }
    monkeypatch.setattr(mnist, "FILES", small)
    return contents


@pytest.fixture
def folder(payloads, tmp_path):
    for name, payload in payloads.items():
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(payload))
    return tmp_path


ENOUGH = 2**26  # bytes after which an endless mirror is taken for one that was read without end
BOMB = gzip.compress(bytes(2**20), 9)
# fault -> status, headers, what is sent again and again, seconds between
HOSTILE = {
    "endless": (200, {}, b"0" * 65_536, 0),
    "endless, and says it is short": (200, {"Transfer-Encoding": "identity"}, b"0" * 65_536, 0),
    "dripping": (200, {"Content-Length": "100000"}, b"0", 0.05),
    "inflates on its way": (200, {"Content-Encoding": "gzip"}, BOMB, 0),
    "redirects, with a body": (302, {"Location": "/elsewhere"}, b"0" * 65_536, 0),
    "odd length": (200, {"Content-Length": "9" * 400}, b"0" * 65_536, 0),
}


class Mirror(ThreadingHTTPServer):
    """A mirror that fails in a chosen way; `asked` lists the paths that were asked for, `sent` counts hostile bytes."""

    def __init__(self, payloads, fault=None):
        super().__init__(("127.0.0.1", 0), Answer)
        self.payloads, self.fault = payloads, fault
        self.asked, self.half_sent, self.closing = [], threading.Event(), threading.Event()
        self.sent = 0
        self.url = f"http://127.0.0.1:{self.server_port}/"


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        mirror, name = self.server, self.path.strip("/").removesuffix(".gz")
        mirror.asked.append(name)
        content = gzip.compress(mirror.payloads[name])
        if mirror.fault in HOSTILE:
            return self.stream(*HOSTILE[mirror.fault])
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

    def stream(self, status, headers, chunk, pause):
        """Sends a chunk again and again, until the other side has gone or the test is over; a second at rest for a pause."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(OSError):
            while not self.server.closing.wait(pause) and self.server.sent < ENOUGH:
                self.server.sent += self.wfile.write(chunk)

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


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(bytes(2**30), 9),  # a gigabyte in one megabyte
        gzip.compress(bytes(2**20), 9) * 1000,  # in a thousand parts
        bytes(2**26),
        gzip.compress(b"") * 2**16,  # parts without end that hold nothing
    ],
    ids=["bomb", "bomb of parts", "long", "parts of nothing"],
)
def test_a_file_that_is_larger_than_published_is_not_read_to_its_end(folder, content):
    path = folder / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(content)
    del content
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"t10k-images-idx3-ubyte\.gz: expected .*, got more than its 1,584 bytes"):
            mnist.read_arrays(mnist.locate(folder))
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_no_gzip_of_a_published_file_is_too_long_to_be_read(payloads):
    rng = np.random.default_rng(0)
    for file in mnist.FILES.values():
        noise = rng.bytes(file.size)  # does not compress at all
        whole = file._replace(sha256=hashlib.sha256(noise).hexdigest())
        assert mnist.verified(gzip.compress(noise, 0), whole, "noise") == noise


def test_sizes_are_those_of_the_published_shapes():
    sizes = {field: file.size for field, file in mnist.FILES.items()}
    images, labels = 16 + 28 * 28 * np.array([60_000, 10_000]), 8 + np.array([60_000, 10_000])
    assert [sizes["train_images"], sizes["test_images"]] == images.tolist()
    assert [sizes["train_labels"], sizes["test_labels"]] == labels.tolist()


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
    ("payload", "message"),
    [
        (b"", "first bytes 00 00 08"),
        (b"\0\0\x08", "first bytes 00 00 08"),
        (b"\0\0\x0d\x01" + struct.pack(">If", 1, 1.0), "got '00 00 0d 01'"),  # floats
        (struct.pack("<I", 0x0801) + b"\0\0\0\x01\x05", "got '01 08 00 00'"),  # the other byte order
        (b"\0\0\x08\0", "first bytes 00 00 08"),  # no dimensions
        (b"\0\0\x08\x03" + bytes(8), "header of 16 bytes, got a file of 12 bytes"),
        (idx(ARRAYS["test_images"])[:-1], r"expected 1,584 bytes for shape \(2, 28, 28\), got 1,583"),
        (idx(ARRAYS["test_images"]) + b"\0", "got 1,585 bytes"),
        (struct.pack(">BBBB3I", 0, 0, 8, 3, *[2**32 - 1] * 3), f"expected {16 + (2**32 - 1) ** 3:,} bytes"),
        (struct.pack(">BBBB4I", 0, 0, 8, 4, 0, *[2**32 - 1] * 3), "a shape that an array can have"),
        (bytes((0, 0, 8, 255)) + struct.pack(">I", 1) * 255 + b"\5", "got '00 00 08 ff'"),
    ],
)
def test_wrong_header_or_length_is_refused(payload, message):
    with pytest.raises(ValueError, match=rf"^the file: .*{message}"):
        mnist.parse_idx(payload, "the file")


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


@pytest.mark.parametrize("fault", HOSTILE)
def test_a_mirror_without_end_is_left_for_the_next(payloads, mirror, tmp_path, monkeypatch, fault):
    hostile, honest = mirror(fault), mirror()
    monkeypatch.setattr(mnist, "MIRRORS", (hostile.url, honest.url))
    monkeypatch.setattr(mnist, "LONGEST_DOWNLOAD", 0.5)
    monkeypatch.setenv("BAL_CACHE_DIR", str(tmp_path))
    assert_whole(mnist.locate())
    assert hostile.asked == list(payloads)
    assert hostile.sent < ENOUGH


def test_a_dripping_mirror_is_named_after_the_longest_wait(payloads, mirror, tmp_path, monkeypatch):
    server = mirror("dripping")
    monkeypatch.setattr(mnist, "MIRRORS", (server.url,))
    monkeypatch.setattr(mnist, "LONGEST_DOWNLOAD", 0.5)
    monkeypatch.setenv("BAL_CACHE_DIR", str(tmp_path))
    with pytest.raises(ConnectionError, match=rf"127\.0\.0\.1:{server.server_port} \(TimeoutError"):
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
