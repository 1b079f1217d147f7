"""JavaScript libraries: pinned, checked, complete, and fetched once."""

import hashlib
import re
import zipfile
from pathlib import Path

import pytest

from publishing import vendor

FOLDER = Path(vendor.__file__).parent
NEEDED = (
    "mathjax/tex-svg-full.js",
    "mathjax/tex-mml-chtml.js",
    "mathjax/output/chtml/fonts/woff-v2/MathJax_Main-Regular.woff",
    "reveal/dist/reveal.js",
    "reveal/dist/reveal.css",
    "reveal/plugin/notes/notes.js",
)


def wheel(path, files):
    """Writes a package with these files; returns its sum."""
    with zipfile.ZipFile(path, "w") as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_every_library_has_one_version_and_a_sum():
    pins = vendor.PIN.findall(vendor.LIBRARIES.read_text())
    lines = [line for line in vendor.LIBRARIES.read_text().splitlines() if not line.startswith("#")]
    assert {name for name, _, _ in pins} == set(vendor.WANTED) and len(pins) == len(lines)


def test_no_file_names_a_registry():
    for path in FOLDER.rglob("*"):
        if path.is_file() and path.suffix in (".py", ".txt", ".json", ".js", ".css", ".j2", ".toml", ".yml"):
            assert not re.search(r"registry\.|npmjs|unpkg|jsdelivr|cdnjs|pypi\.org", path.read_text()), path


def test_the_libraries_are_complete_and_a_second_call_fetches_nothing(libraries, tmp_path, monkeypatch):
    vendor.vendor(tmp_path / "first")
    monkeypatch.setattr(vendor, "download", lambda *_: pytest.fail("downloaded again"))
    written = vendor.vendor(tmp_path / "second")
    assert set(NEEDED) <= set(written)
    assert all((tmp_path / "second" / name).stat().st_size > 0 for name in written)


def test_a_package_with_another_sum_is_refused_and_thrown_away(tmp_path):
    path = tmp_path / "some_thing-1.0.0-py3-none-any.whl"
    wheel(path, {"some/reveal.js": b"changed on the way"})
    with pytest.raises(RuntimeError, match=r"some-thing 1\.0\.0: expected SHA-256 other, got [0-9a-f]{64}"):
        vendor.checked_wheel("some-thing", "1.0.0", "other", tmp_path)
    assert not path.exists()


def test_a_package_that_cannot_be_had_is_named(tmp_path, monkeypatch):
    pinned = tmp_path / "libraries.txt"
    pinned.write_text(f"no-such==1.0.0 --hash=sha256:{'0' * 64}\n")
    monkeypatch.setattr(vendor, "LIBRARIES", pinned)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(RuntimeError, match=r"pip could not download.*\n(.*\n)*.*no-such==1\.0\.0"):
        vendor.download(tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "js/input/tex/extensions/../../../../../outside.js",
        "js/input/tex/extensions/../../../../beside/outside.js",  # in the folder of all, not in the package's own
        "js//outside.js",
        "js/input/tex/extensions/link/outside.js",
    ],
)
def test_no_file_is_written_outside_its_folder_whatever_the_sum_says(tmp_path, monkeypatch, name):
    out = tmp_path / "out"
    (out / "some" / "input/tex/extensions").mkdir(parents=True)
    (out / "some" / "input/tex/extensions/link").symlink_to(tmp_path)
    total = wheel(tmp_path / "some-1.0.0-py3-none-any.whl", {"js/kept.js": b"kept", name: b"outside"})
    pinned = tmp_path / "libraries.txt"
    pinned.write_text(f"some==1.0.0 --hash=sha256:{total}\n")
    monkeypatch.setattr(vendor, "LIBRARIES", pinned)
    monkeypatch.setattr(vendor, "WANTED", {"some": vendor.Wanted("js/", "some", ("*",))})
    with pytest.raises(RuntimeError, match=r"some-1\.0\.0.*: expected files inside the package, got '.*outside\.js'"):
        vendor.vendor(out, tmp_path)
    assert [path.name for path in tmp_path.rglob("*.js")] == ["kept.js"]


def test_only_the_folder_asked_for_is_read(tmp_path):
    path = tmp_path / "some.whl"
    wheel(path, {"js/a.js": b"a", "js/deep/b.js": b"b", "js/empty/": b"", "other.js": b"c"})
    assert dict(vendor.members(path, "js/")) == {"a.js": b"a", "deep/b.js": b"b"}
