"""Own images and own tables: what comes out is what was written, and what does not fit is named."""

import csv
import struct
import unicodedata
import warnings

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_wine

from bal_course.own_data import grey_square, images_from_folder, table_from_csv
from bal_utils.active_learning import LoopConfig, run_active_learning
from bal_utils.data import load_images
from bal_utils.training.fit import FitConfig


@pytest.fixture
def folder(tmp_path):
    """Ten digits of each of three classes as PNG files."""
    digits = load_images("digits")
    for name, digit in (("one", 1), ("four", 4), ("eight", 8)):
        (tmp_path / "mine" / name).mkdir(parents=True)
        for place in (digits.train_labels == digit).nonzero().flatten()[:10].tolist():
            image = Image.fromarray(digits.train_images[place, 0].numpy())
            image.save(tmp_path / "mine" / name / f"{place:04}.png")
    return tmp_path / "mine"


def write_csv(path, rows):
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def test_images_come_back_as_they_were_written(folder):
    data = images_from_folder(folder, 8)
    assert data.class_names == ("eight", "four", "one") and data.num_classes == 3 and data.name == "mine"
    assert data.train_images.shape == (24, 1, 8, 8) and data.train_images.dtype == torch.uint8
    assert data.test_labels.bincount().tolist() == [2, 2, 2] and data.train_labels.bincount().tolist() == [8, 8, 8]
    digits = load_images("digits")
    originals = {
        image.numpy().tobytes(): int(label)
        for image, label in zip(digits.train_images, digits.train_labels, strict=True)
    }
    for image, label in zip(data.train_images, data.train_labels, strict=True):
        assert originals[image.numpy().tobytes()] == {0: 8, 1: 4, 2: 1}[int(label)]


def test_the_split_is_by_seed_and_loses_no_image(folder):
    one, same, other = (images_from_folder(folder, 8, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(one.train_images, same.train_images) and not torch.equal(one.train_images, other.train_images)
    both = torch.cat([one.train_images, one.test_images])
    assert len({image.numpy().tobytes() for image in both}) == 30


def test_colour_transparency_and_shape_are_taken_care_of(tmp_path):
    for kind in ("a", "b"):
        (tmp_path / kind).mkdir()
        Image.new("RGB", (40, 20), "white").save(tmp_path / kind / "wide.jpg")
        Image.new("RGBA", (10, 30), (0, 0, 0, 0)).save(tmp_path / kind / "clear.PNG")
    data = images_from_folder(tmp_path, 12, test_share=0.5)
    images = torch.cat([data.train_images, data.test_images])
    assert images.shape == (4, 1, 12, 12) and images.min() >= 254


def test_photographs_are_turned_upright(tmp_path):
    for kind in ("a", "b"):
        (tmp_path / kind).mkdir()
        image = Image.fromarray(np.repeat([[0], [255]], 10, axis=0).repeat(20, axis=1).astype(np.uint8))  # dark above
        exif = Image.Exif()
        exif[0x0112] = 3  # turned by half a circle
        for number in range(2):
            image.save(tmp_path / kind / f"{number}.png", exif=exif)
    upright = images_from_folder(tmp_path, 10).train_images[0, 0]
    assert upright[0].min() > 200 and upright[-1].max() < 50


def test_folders_that_do_not_fit_are_named(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="path: expected a folder with one subfolder a class"):
        images_from_folder(tmp_path / "nowhere", 8)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="at least two subfolders, one a class, found 0"):
        images_from_folder(tmp_path / "empty", 8)
    with pytest.raises(ValueError, match="size: expected a whole number"):
        images_from_folder(folder, 0)
    with pytest.raises(ValueError, match="test_share: .*above 0 and below 1"):
        images_from_folder(folder, 8, test_share=1.0)
    (folder / "one" / "broken.png").write_bytes(b"\x89PNG broken")
    with pytest.raises(ValueError, match=r"one/broken.png cannot be read"):
        images_from_folder(folder, 8)
    (folder / "zero").mkdir()
    (folder / "one" / "broken.png").unlink()
    with pytest.raises(ValueError, match="at least two images of each class, found 0 in 'zero'"):
        images_from_folder(folder, 8)


def test_images_without_a_class_are_not_passed_over(folder):
    with pytest.raises(ValueError, match=r"found 10 directly in 'one' \(\d+.png first\).*Sort a random part of them"):
        images_from_folder(folder / "one", 8)  # a pile that nobody has sorted
    next((folder / "one").iterdir()).rename(folder / "forgotten.png")
    with pytest.raises(ValueError, match=r"found 1 directly in 'mine' \(forgotten.png first\)"):
        images_from_folder(folder, 8)  # one that lies beside the classes


def test_eight_bits_stay_as_they_are_and_lie_on_white(tmp_path):
    (tmp_path / "c").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (9, 9, 4), dtype=np.uint8)
    red, green, blue, alpha = pixels.transpose(2, 0, 1).astype(float)
    grey = 0.299 * red + 0.587 * green + 0.114 * blue  # ITU-R 601
    on_white = 255 + (grey - 255) * alpha / 255
    for array, expected in ((pixels[..., 0], red), (pixels[..., :3], grey), (pixels, on_white)):
        Image.fromarray(np.ascontiguousarray(array)).save(tmp_path / "c" / "a.png")
        found = grey_square(tmp_path / "c" / "a.png", 9)[0].numpy()
        assert np.abs(found - expected).max() < (1.2 if array is pixels else 0.51 if array.ndim == 3 else 1e-9)


def tiff(levels, **changes):
    """A TIFF of one grey strip, by hand (TIFF 6.0, section 3): Pillow writes neither 12 bits nor white as zero."""
    tags = {"width": (256, levels.shape[1]), "height": (257, levels.shape[0]), "bits": (258, 16), "packing": (259, 1),
            "photometric": (262, 1), "offset": (273, 8), "samples": (277, 1), "rows": (278, levels.shape[0])}  # fmt: skip
    tags |= {name: (tags[name][0], value) for name, value in changes.items()}
    if tags["bits"][1] == 12:  # two numbers in three bytes
        pairs = levels.reshape(-1, 2).astype(np.uint32)
        joined = pairs[:, 0] << 12 | pairs[:, 1]
        strip = b"".join(int(number).to_bytes(3, "big") for number in joined)
    else:
        strip = levels.astype("<u2").tobytes()
    entries = [*tags.values(), (279, len(strip))]
    directory = b"".join(struct.pack("<HHLL", tag, 4 if tag in (273, 279) else 3, 1, value) for tag, value in entries)
    head = struct.pack("<2sHL", b"II", 42, 8 + len(strip))
    return head + strip + struct.pack("<H", len(entries)) + directory + bytes(4)


def test_sixteen_bits_and_floats_keep_their_greys(tmp_path):
    (tmp_path / "c").mkdir()
    ramp = np.linspace(0, 1, 64 * 64).reshape(64, 64)
    deep, twelve = np.rint(ramp * 65535).astype(np.uint16), np.rint(ramp * 4095).astype(np.uint16)

    def read(name, save):
        save(tmp_path / "c" / name)
        return grey_square(tmp_path / "c" / name, 64)[0].numpy() / 255

    files = {
        "a.png": Image.fromarray(deep).save,
        "a.tif": Image.fromarray(deep).save,
        "big.tif": Image.fromarray(deep.astype(">u2")).save,
        "float.tiff": Image.fromarray(ramp.astype(np.float32)).save,
        "a.pgm": lambda file: file.write_bytes(b"P5 64 64 65535\n" + deep.astype(">u2").tobytes()),
        "twelve.pgm": lambda file: file.write_bytes(b"P5 64 64 4095\n" + twelve.astype(">u2").tobytes()),
        "twelve.tif": lambda file: file.write_bytes(tiff(twelve, bits=12)),
        "hand.tif": lambda file: file.write_bytes(tiff(deep)),
    }
    for name, save in files.items():
        np.testing.assert_allclose(read(name, save), ramp, atol=0.51 / 255, err_msg=name)
    inverse = read("inverse.tif", lambda file: file.write_bytes(tiff(deep, photometric=0)))
    np.testing.assert_allclose(inverse, 1 - ramp, atol=0.51 / 255)


def broken_png(image, file):
    """One byte of the name of a chunk is another: Pillow raises SyntaxError."""
    image.save(file)
    content = bytearray(file.read_bytes())
    content[content.index(b"IDAT")] ^= 0xFF
    file.write_bytes(content)


def cut_short(image, file):
    image.save(file)
    file.write_bytes(file.read_bytes()[: len(file.read_bytes()) // 2])


POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n%%EOF\n"
SMALL = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8))
ODD_FILES = {
    "chunk.png": lambda file: broken_png(SMALL, file),
    "short.png": lambda file: cut_short(SMALL, file),
    "short.jpg": lambda file: cut_short(SMALL, file),
    "short.qoi": lambda file: cut_short(SMALL, file),
    "short.tif": lambda file: cut_short(SMALL, file),
    "header.ppm": lambda file: file.write_bytes(b"P6 4x 4 255\n"),
    "empty.gif": lambda file: file.write_bytes(b""),
    "words.webp": lambda file: file.write_text("not an image"),
    "postscript.png": lambda file: file.write_bytes(POSTSCRIPT),  # only Ghostscript could read it
    "two.gif": lambda file: SMALL.save(file, save_all=True, append_images=[SMALL.rotate(90)]),
    "stack.tif": lambda file: SMALL.save(file, save_all=True, append_images=[SMALL.rotate(90)]),
    "whole.tif": lambda file: Image.fromarray(np.full((4, 4), 70_000, dtype=np.int32)).save(file),
    "bright.tif": lambda file: Image.fromarray(np.full((4, 4), 255, dtype=np.float32)).save(file),
    "hole.tif": lambda file: Image.fromarray(np.full((4, 4), np.nan, dtype=np.float32)).save(file),
}


@pytest.mark.parametrize("name", ODD_FILES)
def test_images_that_cannot_be_read_right_are_named(folder, name):
    ODD_FILES[name](folder / "one" / name)
    with pytest.raises(ValueError, match=f"path: .*one/{name} cannot be read"):
        images_from_folder(folder, 8)


def test_an_image_of_too_many_pixels_is_named(folder, monkeypatch):
    SMALL.save(folder / "four" / "huge.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 700)  # Pillow refuses twice as many
    with pytest.raises(ValueError, match="four/huge.png cannot be read .*1600 pixels"):
        images_from_folder(folder, 8)


def test_what_is_left_out_is_counted(folder):
    for number in range(3):
        (folder / "one" / f"IMG_{number}.HEIC").write_bytes(b"....ftypheic")
    (folder / "four" / "more").mkdir()
    (folder / "four" / "drawing.eps").write_bytes(POSTSCRIPT)
    (folder / "four" / "scan").write_bytes(b"")
    (folder / "four" / "gone.png").symlink_to("nowhere.png")
    (folder / "labels.csv").write_text("file,class")
    with pytest.warns(UserWarning, match="30 images of 'mine' are used; left out: 3 × .heic") as caught:
        data = images_from_folder(folder, 8)
    assert len(caught) == 1 and caught[0].filename == __file__
    told = str(caught[0].message)
    for kind in ("1 × .eps", "1 × .csv", "1 × folders within a class", "1 × files without ending", "1 × no regular"):
        assert kind in told
    assert len(data.train_labels) + len(data.test_labels) == 30
    for file in (folder / "one").glob("*.png"):
        file.unlink()
    with pytest.raises(ValueError, match="two images of each class, found 0 in 'one'; left out: 3 × .heic"):
        images_from_folder(folder, 8)


def test_hidden_files_are_nobodys_class(folder):
    plain = images_from_folder(folder, 8)
    for place in (folder, folder / "one"):
        for name in (".ipynb_checkpoints", "__MACOSX", ".git"):
            (place / name).mkdir()
            SMALL.save(place / name / "a.png")
        for name in ("Thumbs.db", "desktop.ini", ".DS_Store", "._0001.png"):
            (place / name).write_bytes(b"not an image")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = images_from_folder(folder, 8)
    assert data.class_names == plain.class_names and torch.equal(data.train_images, plain.train_images)


def test_images_that_come_out_almost_black_are_said(folder):
    for file in folder.glob("*/*.png"):  # 12 bits in a file of 16, as cameras for science write them
        Image.fromarray(np.asarray(Image.open(file)).astype(np.uint16) * 16).save(file)
    with pytest.warns(UserWarning, match="30 of 30 images are almost black"):
        images_from_folder(folder, 8)


def test_a_folder_has_a_name_wherever_one_stands(folder, monkeypatch):
    monkeypatch.chdir(folder / "one")
    assert images_from_folder("..", 8).name == "mine"
    monkeypatch.chdir(folder)
    assert images_from_folder(".", 8).name == "mine"
    (folder.parent / "link").symlink_to(folder)
    assert images_from_folder(folder.parent / "link", 8).name == "link"


def test_places_that_are_no_folders_are_named(folder):
    (folder / "one" / "round").symlink_to("round")
    for place in (next((folder / "four").iterdir()), folder / "one" / "round"):
        with pytest.raises(FileNotFoundError, match="path: expected a folder with one subfolder a class"):
            images_from_folder(place, 8)
    (folder / "again").symlink_to(folder)  # holds folders only: nothing is searched for ever
    with pytest.raises(ValueError, match="two images of each class, found 0 in 'again'"):
        images_from_folder(folder, 8)


def test_a_table_is_standardised_by_its_training_rows(tmp_path):
    wine = load_wine()
    header = [*wine.feature_names, "kind"]
    rows = [[*values, wine.target_names[label]] for values, label in zip(wine.data, wine.target, strict=True)]
    data = table_from_csv(write_csv(tmp_path / "wine.csv", [header, *rows]), "kind")
    assert data.class_names == tuple(sorted(wine.target_names)) and data.name == "wine"
    assert len(data.train_labels) + len(data.test_labels) == 178
    train = data.train_images[:, 0, 0].double()
    assert data.train_images.shape[1:] == (1, 1, 13)
    np.testing.assert_allclose(train.mean(dim=0), 0, atol=1e-6)
    np.testing.assert_allclose(train.std(dim=0), 1, atol=1e-6)
    whole = torch.cat([data.train_images, data.test_images])[:, 0, 0].double()
    order = np.argsort(whole[:, 0], kind="stable")  # undo the standardisation: the same set of values comes out
    restored = np.polyval(np.polyfit(whole[order, 0], np.sort(wine.data[:, 0]), 1), whole[order, 0])
    np.testing.assert_allclose(restored, np.sort(wine.data[:, 0]), atol=1e-5)


def test_constant_columns_and_outliers_do_no_harm(tmp_path):
    rows = [["a", "b", "kind"], *[[5, value, "xy"[value % 2]] for value in range(200)], [5, 1e9, "x"]]
    data = table_from_csv(write_csv(tmp_path / "t.csv", rows), "kind", test_share=0.01, seed=3)
    values = torch.cat([data.train_images, data.test_images])[:, 0, 0]
    assert (values[:, 0] == 0).all() and values.abs().max() <= 15 and values.isfinite().all()


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([["a", "b"], [1, 2]], "target: expected one of the columns a, b, got 'kind'"),
        ([["a", "kind"], [1, "x"], ["", "x"]], "line 3, column 'a', got ''"),
        ([["a", "kind"], ["red", "x"]], "line 2, column 'a', got 'red'"),
        ([["a", "kind"], ["nan", "x"]], "line 2, column 'a', got 'nan'"),
        ([["a", "b", "kind"], [1, "x"]], "expected 3 cells in line 2, as in the header, got 2: 'kind' is missing"),
        ([["a", "kind"], [1, "x"], ["1", "5", "x"]], "expected 2 cells in line 3, as in the header, got 3"),
        ([["a", "kind"], [], [1, "x"], [2, ""]], "line 4, column 'kind', got ''"),
        ([["a", "kind"], [1, "NaN"]], "line 2, column 'kind', got 'NaN'"),
        ([["a", "kind"], ["1,5", "x"]], "line 2, column 'a', got '1,5'"),
        ([["a", "kind"], ["1_5", "x"]], "line 2, column 'a', got '1_5'"),
        ([["a", "kind"], ["1e200", "x"]], "line 2, column 'a', got '1e200'"),
        ([["a", "b ", "b", "kind"], [1, 2, 3, "x"]], "different names in line 1, got 'b' twice"),
        ([["kind", "a", "kind"], ["x", 2, "x"]], "different names in line 1, got 'kind' twice"),
        ([["a", "", "kind"], [1, 2, "x"]], "a name for every column in line 1, column 2 has none"),
        (
            [["a;b;kind"], ["1,5;2;x"]],
            "target: expected one of the columns a;b;kind, got 'kind'. Do its cells end with ';'",
        ),
        ([["a", "kind"], ["1" * 200_000, "x"]], "line 2 of t.csv cannot be read"),
        ([["a", "kind"], [1, "x"], [2, "x"], [3, "y"]], "at least two rows of each class, got one of 'y'"),
        ([["a", "kind"], [1, "x"], [2, "x"]], "expected two classes and a column of numbers, got 1 and 1"),
        ([["kind"], ["x"], ["x"], ["y"], ["y"]], "got 2 and 0"),
        ([], "expected a line of column names, but t.csv is empty"),
    ],
)
def test_tables_that_do_not_fit_are_named(tmp_path, rows, told):
    with pytest.raises(ValueError) as caught:
        table_from_csv(write_csv(tmp_path / "t.csv", rows), "kind")
    assert told in str(caught.value) and len(str(caught.value)) < 300


ROWS = [[value / 4, "xÿ"[value % 2]] for value in (3, 1, 4, 1, 5, 9, 2, 6)]
TABLE = "".join(f"{value},{kind}\n" for value, kind in [("a", "kind"), *ROWS])


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (TABLE.encode("latin-1"), "line 2, column 6 of t.csv"),
        (TABLE.encode("utf-8-sig").replace("ÿ".encode(), b"\xff"), "line 2, column 6 of t.csv"),
        (TABLE.encode("utf-16")[:-1], "line 9, column 6 of t.csv"),
        (TABLE.replace("ÿ", "y").encode("utf-16-le"), "line 1, column 2 of t.csv"),
        (TABLE.encode("utf-8").replace(b"x", b"\0"), "line 4, column 5 of t.csv"),
        (TABLE.encode("utf-8") + b'1,"x\n2,y\n', "line 11 of t.csv cannot be read"),
    ],
)
def test_files_that_are_no_text_are_refused_by_line_and_column(tmp_path, content, told):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(ValueError) as caught:
        table_from_csv(tmp_path / "t.csv", "kind")
    assert told in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        TABLE.encode("utf-8-sig"),
        TABLE.encode("utf-16"),
        TABLE.replace("\n", "\r").encode(),
        TABLE.replace("\n", "\n\n").encode(),
        TABLE.replace(",", " , ").encode(),
        unicodedata.normalize("NFD", TABLE).encode(),
    ],
)
def test_tables_that_look_alike_are_alike(tmp_path, content):
    (tmp_path / "t.csv").write_bytes(content)
    (tmp_path / "plain.csv").write_text(TABLE, encoding="utf-8")
    data, plain = (table_from_csv(tmp_path / name, "kind") for name in ("t.csv", "plain.csv"))
    assert data.class_names == plain.class_names == ("x", "ÿ")
    assert torch.equal(data.train_images, plain.train_images) and torch.equal(data.train_labels, plain.train_labels)


def test_row_numbers_do_not_become_a_feature_in_silence(tmp_path):
    plain = table_from_csv(write_csv(tmp_path / "plain.csv", [["a", "kind"], *ROWS]), "kind")
    numbered = [[number, *row] for number, row in enumerate(ROWS)]
    for column in ("", "Unnamed: 0"):  # as pandas writes its index, and as it comes back
        file = write_csv(tmp_path / "t.csv", [[column, "a", "kind"], *numbered])
        with pytest.warns(UserWarning, match=f"column '{column}' of t.csv is left out") as caught:
            data = table_from_csv(file, "kind")
        assert len(caught) == 1 and caught[0].filename == __file__
        assert torch.equal(data.train_images, plain.train_images)
    file = write_csv(tmp_path / "t.csv", [["id", "a", "kind"], *numbered])
    with pytest.warns(UserWarning, match="column 'id' of t.csv numbers the rows"):
        assert table_from_csv(file, "kind").train_images.shape[-1] == 2


@pytest.mark.parametrize(
    ("kinds", "order"),
    [
        (["10", "9", "1", "2"], ("1", "2", "9", "10")),
        (["1", "-1", "0.25", "0.5"], ("-1", "0.25", "0.5", "1")),
        (["b10", "b9", "a", "B", "b09"], ("B", "a", "b09", "b9", "b10")),
    ],
)
def test_classes_are_in_natural_order(tmp_path, kinds, order):
    rows = [["a", "kind"], *[[value % 5, kind] for value, kind in enumerate(2 * kinds)]]
    data = table_from_csv(write_csv(tmp_path / "t.csv", rows), "kind", test_share=0.5)
    assert data.class_names == order
    for place, kind in enumerate(kinds):
        (tmp_path / "images" / kind).mkdir(parents=True)
        for number in range(2):
            Image.new("L", (5, 5), 20 * (place + 1)).save(tmp_path / "images" / kind / f"{number}.png")
    data = images_from_folder(tmp_path / "images", 5, test_share=0.5)
    assert data.class_names == order
    assert data.train_images[:, 0, 0, 0].tolist() == [20 * (kinds.index(kind) + 1) for kind in order]


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="path: expected a CSV file"):
        table_from_csv(tmp_path / "nothing.csv", "kind")


def test_both_go_through_the_loop(folder, tmp_path):
    table = write_csv(tmp_path / "t.csv", [["a", "b", "kind"], *[[i * i, -i, "xy"[i % 2]] for i in range(60)]])
    quick = FitConfig(epoch_samples=64, max_epochs=1)
    for data in (images_from_folder(folder, 8), table_from_csv(table, "kind")):
        config = LoopConfig(strategy="bald", model="mlp", labels=8, batch_size=2, initial_per_class=2, validation_size=4,
                            num_samples=3, test_samples=2, fit=quick)  # fmt: skip
        record = run_active_learning(config, data, device="cpu", progress=False)
        assert record["rounds"][-1]["labels"] == 8
        with pytest.raises(ValueError, match="validation_size: expected at most .*, got 1024"):
            run_active_learning(LoopConfig(model="mlp", labels=8), data, device="cpu", progress=False)
