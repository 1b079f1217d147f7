"""Own images and own tables: what comes out is what was written, and what does not fit is named."""

import csv

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_wine

from bal_utils.active_learning import LoopConfig, run_active_learning
from bal_utils.data import load_images
from bal_utils.own_data import images_from_folder, table_from_csv
from bal_utils.training import FitConfig


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
        (tmp_path / kind / "Thumbs.db").write_text("not an image")
        (tmp_path / kind / ".hidden.png").write_text("not an image")
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
    with pytest.raises(ValueError, match="test_share: expected a share between 0 and 1"):
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
        ([["a", "b", "kind"], [1, "x"]], "line 2, column 'b', got 'x'"),
        ([["a", "kind"], [1, "x"], [2, "x"], [3, "y"]], "at least two rows of each class, got one of 'y'"),
        ([["a", "kind"], [1, "x"], [2, "x"]], "expected two classes and a column of numbers, got 1 and 1"),
        ([["kind"], ["x"], ["x"], ["y"], ["y"]], "got 2 and 0"),
        ([], "target: expected one of the columns"),
    ],
)
def test_tables_that_do_not_fit_are_named(tmp_path, rows, told):
    with pytest.raises(ValueError) as caught:
        table_from_csv(write_csv(tmp_path / "t.csv", rows), "kind")
    assert told in str(caught.value)


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="path: expected a CSV file"):
        table_from_csv(tmp_path / "nothing.csv", "kind")


def test_both_go_through_the_loop(folder, tmp_path):
    table = write_csv(tmp_path / "t.csv", [["a", "b", "kind"], *[[i, -i, "xy"[i % 2]] for i in range(60)]])
    quick = FitConfig(epoch_samples=64, max_epochs=1)
    for data in (images_from_folder(folder, 8), table_from_csv(table, "kind")):
        config = LoopConfig(strategy="bald", model="mlp", labels=8, batch_size=2, initial_per_class=2, validation_size=4,
                            num_samples=3, test_samples=2, fit=quick)  # fmt: skip
        record = run_active_learning(config, data, device="cpu", progress=False)
        assert record["rounds"][-1]["labels"] == 8
