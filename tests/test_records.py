"""Records survive being killed, and refuse what they could not give back."""

import errno
import json
import math
import multiprocessing
import os
import resource
import signal
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

from bal_utils.records import (
    BeingWritten,
    labels_to_reach,
    load_run,
    load_runs,
    replaced,
    save_run,
    sole_writer,
    stack_runs,
    write_json,
)


def record(labels, accuracy):
    return {"rounds": [{"labels": n, "accuracy": a} for n, a in zip(labels, accuracy, strict=True)]}


def test_what_is_saved_is_loaded(tmp_path):
    run = {"config": {"strategy": "bald"}, **record([20, 30], [0.1, 1 / 3])}
    assert load_run(save_run(tmp_path / "deep" / "run.json", run)) == run
    assert load_runs(tmp_path) == [run]
    assert os.listdir(tmp_path / "deep") == ["run.json"]


def test_a_failed_save_leaves_the_old_record(tmp_path):
    path = save_run(tmp_path / "run.json", record([20], [0.5]))
    for bad in (math.nan, math.inf, object(), np.float32(1)):
        with pytest.raises(ValueError, match="record: expected numbers"):
            save_run(path, record([20], [bad]))
    assert load_run(path) == record([20], [0.5])
    assert os.listdir(tmp_path) == ["run.json"]


def test_whole_numbers_of_numpy_are_whole_numbers(tmp_path):
    [run] = [load_run(save_run(tmp_path / "run.json", record([np.int64(20)], [np.float64(0.5)])))]
    assert run == record([20], [0.5])


def test_what_is_no_record_is_written_in_the_same_way(tmp_path):
    path = write_json(tmp_path / "marks.json", {"done": np.int32(3)})
    assert json.loads(path.read_text()) == {"done": 3}
    with pytest.raises(ValueError, match="^value: "):
        write_json(path, {"done": math.nan})
    assert json.loads(path.read_text()) == {"done": 3} and os.listdir(tmp_path) == ["marks.json"]


def test_a_full_disk_leaves_the_old_record_and_names_the_file(tmp_path):
    path = save_run(tmp_path / "run.json", record([20], [0.5]))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))  # no file may be larger
    try:
        with pytest.raises(OSError, match=r"run\.json cannot be written \(.*\); what was there is kept"):
            save_run(path, record(range(1000), [0.5] * 1000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert load_run(path) == record([20], [0.5]) and os.listdir(tmp_path) == ["run.json"]


def test_a_file_is_replaced_only_once_it_is_whole(tmp_path, monkeypatch):
    path = tmp_path / "figure.png"
    path.write_text("old")
    with pytest.raises(KeyError), replaced(path) as part:
        part.write_text("half")
        raise KeyError
    with monkeypatch.context() as patch, pytest.raises(OSError, match=r"figure\.png cannot be written \(No space"):
        patch.setattr(os, "fsync", full)
        with replaced(path) as part:
            part.write_text("half")
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["figure.png"]
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken cannot be written"), replaced(tmp_path / "taken") as part:
        part.write_text("new")
    with replaced(path) as part:
        part.write_text("new")
    assert path.read_text() == "new" and sorted(os.listdir(tmp_path)) == ["figure.png", "taken"]


def full(handle):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def refusal(path):
    """What another process hears that wants to write, and its number."""
    try:
        with sole_writer(path):
            return "", os.getpid()
    except BeingWritten as error:
        return str(error), os.getpid()


def test_a_record_has_one_writer_and_who_comes_later_hears_which(tmp_path):
    path = tmp_path / "run.json"
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as other:
        with sole_writer(path):
            sentence, pid = other.submit(refusal, path).result(timeout=60)
            assert f"process {os.getpid()} on " in sentence and "run.json" in sentence and pid != os.getpid()
        assert other.submit(refusal, path).result(timeout=60) == ("", pid)
    assert not os.listdir(tmp_path)


def hold_and_die(path):
    with sole_writer(path):
        path.with_name(f".{path.name}.half").touch()  # as where it dies while saving
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_writer_leaves_nothing_in_the_way(tmp_path):
    path = tmp_path / "run.json"
    writer = multiprocessing.get_context("fork").Process(target=hold_and_die, args=(path,))
    writer.start()
    writer.join()
    assert len(os.listdir(tmp_path)) == 3  # its lock, its name, its half
    with sole_writer(path):
        pass
    assert not os.listdir(tmp_path)


def save_without_end(path):
    for number in range(10**9):
        save_run(path, record(range(3000), [float(number)] * 3000))


@pytest.mark.parametrize("pause", [0.01, 0.03, 0.1])
def test_killed_while_saving_leaves_a_whole_record(tmp_path, pause):
    path = tmp_path / "run.json"
    writer = multiprocessing.get_context("fork").Process(target=save_without_end, args=(path,))
    writer.start()
    while not path.exists():
        time.sleep(0.001)
    time.sleep(pause)
    os.kill(writer.pid, signal.SIGKILL)
    writer.join()
    accuracy = {entry["accuracy"] for entry in load_run(path)["rounds"]}
    assert len(accuracy) == 1 and len(load_runs(tmp_path)) == 1


@pytest.mark.parametrize(
    "text",
    ['{"rounds": [', "[1, 2]", "{}", "\xff\xfe", '{"rounds": 3}', '{"rounds": [3]}', "[" * 100_000, "9" * 5000, ""],
)
def test_what_is_no_record_is_refused_by_name(tmp_path, text):
    (tmp_path / "broken.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=r"broken\.json: expected a run record"):
        load_runs(tmp_path)


def test_a_folder_without_records(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"folder: expected run records"):
        load_runs(tmp_path / "nothing")


def test_runs_of_unequal_length_are_stacked():
    labels_R, values_S_R = stack_runs([record([20, 30, 40], [0.1, 0.2, 0.3]), record([20, 40], [0.5, 0.6])], "accuracy")
    np.testing.assert_array_equal(labels_R, [20, 30, 40])
    np.testing.assert_array_equal(values_S_R, [[0.1, 0.2, 0.3], [0.5, np.nan, 0.6]])
    with pytest.raises(ValueError, match="runs: expected at least one"):
        stack_runs([], "accuracy")


def test_labels_to_reach_is_the_first_crossing_of_a_noisy_curve():
    labels_R, accuracy_R = [20, 30, 40, 50], [0.5, 0.9, 0.8, 0.95]
    assert labels_to_reach(labels_R, accuracy_R, 0.9) == 30
    assert labels_to_reach(labels_R, accuracy_R, 0.95) == 50
    assert labels_to_reach(labels_R, accuracy_R, 0.99) == math.inf
    assert json.dumps(labels_to_reach(labels_R, accuracy_R, 0.9)) == "30.0"
