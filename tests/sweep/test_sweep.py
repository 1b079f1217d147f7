import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys

import joblib
import psutil
import pytest
from waiting import LIMIT, started, wait_for

from bal_utils.active_learning import loop_config
from bal_utils.data.images import ImageSet
from bal_utils.records import load_run, load_runs, save_run, sole_writer
from bal_utils.sweep import __main__ as command_line
from bal_utils.sweep import run_name
from bal_utils.sweep import runs as runs_of_a_sweep
from bal_utils.sweep.__main__ import draw_learning_curves, main
from bal_utils.sweep.lanes import Lanes
from bal_utils.sweep.runs import run_in_lanes, run_one, save_if_longer
from bal_utils.sweep.workers import run_in_processes

on_a_busy_machine = pytest.mark.flaky(reruns=2)  # where a signal can come while Python itself starts or ends
DIGITS = ["--dataset", "digits", "--model", "mlp", "--labels", "30", "--num-samples", "3", "--device", "cpu"]


def test_the_command_writes_a_record_a_run_and_a_figure(tmp_path, capsys):
    main([*DIGITS, "--strategies", "random", "bald", "--seeds", "0", "1", "--out", str(tmp_path)])
    runs = load_runs(tmp_path)
    assert [(run["config"]["strategy"], run["config"]["seed"]) for run in runs] == [
        ("bald", 0), ("bald", 1), ("random", 0), ("random", 1)]  # fmt: skip
    assert all(run["rounds"][-1]["labels"] == 30 for run in runs)
    figure = tmp_path / "learning_curve.png"
    assert capsys.readouterr().out.strip() == str(figure) and figure.read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_the_figure_has_a_panel_a_batch_size_and_a_strategy_one_colour(tmp_path, monkeypatch):
    main([*DIGITS, "--batch-sizes", "5", "10", "--strategies", "random", "--out", str(tmp_path)])
    main([*DIGITS, "--posterior", "deterministic", "--strategies", "entropy", "--out", str(tmp_path)])
    drawn = {}
    monkeypatch.setattr(command_line.plt, "close", lambda figure: drawn.update(figure=figure))
    draw_learning_curves(tmp_path)
    panels = [ax for ax in drawn["figure"].axes if ax.lines]
    titles = ["5 labels a round", "10 labels a round, one network", "10 labels a round"]
    assert [ax.get_title(loc="left") for ax in panels] == titles and len(drawn["figure"].axes) == 4
    names = [[line.get_label() for line in ax.get_legend_handles_labels()[0]] for ax in panels]
    assert names == [["Random (1 seed)"], ["Max entropy (1 seed)"], ["Random (1 seed)"]]
    assert panels[0].lines[0].get_color() == panels[2].lines[0].get_color() != panels[1].lines[0].get_color()


@pytest.mark.slow
def test_more_strategies_than_colours_are_drawn_too(tmp_path):
    names = ["random", "entropy", "margin", "bald", "mean_std", "variation_ratio", "power_bald"]
    main([*DIGITS, "--strategies", *names, "--out", str(tmp_path)])
    assert (tmp_path / "learning_curve.png").exists()


@pytest.mark.slow
def test_several_jobs_give_the_same_records(tmp_path):
    for jobs in ("1", "2"):
        main([*DIGITS, "--strategies", "bald", "--seeds", "0", "1", "--jobs", jobs, "--out", str(tmp_path / jobs)])
    one, two = ([[entry["acquired"] for entry in run["rounds"]] for run in load_runs(tmp_path / jobs)] for jobs in "12")
    assert one == two


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--strategies", "bold"], "expected one of random"),
        (["--batch-sizes", "0"], "batch_size: expected a whole number"),
        (["--labels", "99999"], "labels: expected at most"),
        (["--labels", "10"], "labels: expected at least the 20"),
        (["--device", "abacus"], "device: expected one that this machine has"),
        (["--device", "meta"], "device: expected one that this machine has"),
        (["--seeds", "0", "-1", "--labels", "19", "--jobs", "2"], "^sweep: labels: expected at least the 20"),
        (["--seeds", "0", "0"], "two of one name"),
        (["--model", "kirsch_cnn"], "image_size"),
        (["--jobs", "0"], "jobs: expected at least 1, or -1"),
        (["--jobs", "-2"], "jobs: expected .* got -2"),
        (["--lanes", "0"], "lanes: expected .* at least 1, got 0"),
    ],
)
def test_bad_arguments_are_sentences(arguments, message, tmp_path):
    with pytest.raises(SystemExit, match=message):
        main([*DIGITS, *arguments, "--out", str(tmp_path)])
    assert not list(tmp_path.iterdir())


def test_a_scale_of_the_environment_that_does_not_exist(monkeypatch, capsys):
    monkeypatch.setenv("BAL_SCALE", "huge")
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    with pytest.raises(SystemExit, match="2"):
        main(DIGITS)
    assert "BAL_SCALE: expected one of lecture, paper, got 'huge'" in capsys.readouterr().err


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A finished run of the command, in a folder of its own."""
    folder = tmp_path_factory.mktemp("stored")
    main([*DIGITS, "--strategies", "random", "--out", str(folder)])
    return folder / "random_b10_seed0.json"


def test_runs_on_other_images_are_not_mixed_in(stored, tmp_path):
    shutil.copy(stored, tmp_path)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(SystemExit, match="sweep: out: expected a folder for runs on .*, got .* with runs on"):
        main([*DIGITS, "--strategies", "bald", "--images", "500", "--out", str(tmp_path)])
    assert sorted(tmp_path.iterdir()) == before


def test_other_files_in_the_folder_are_left_out_and_said(stored, tmp_path, capsys):
    shutil.copy(stored, tmp_path)
    shutil.copy(stored, tmp_path / "random_b10_seed0 (1).json")
    (tmp_path / "odd.json").write_text('{"rounds": []}')
    (tmp_path / ".vscode").mkdir()
    (tmp_path / ".vscode" / "settings.json").write_text("{}")
    main([*DIGITS, "--strategies", "random", "--out", str(tmp_path)])
    assert re.search(r"sweep: left out .*odd\.json.*a copy", capsys.readouterr().err)
    assert (tmp_path / "learning_curve.png").exists()


def test_runs_of_a_strategy_that_is_no_longer_known_are_drawn_too(stored, tmp_path, monkeypatch):
    save_run(tmp_path / "old.json", json.loads(stored.read_text().replace('"random"', '"of_old"')))
    drawn = {}
    monkeypatch.setattr(command_line.plt, "close", lambda figure: drawn.update(figure=figure))
    draw_learning_curves(tmp_path)
    assert [text.get_text() for text in drawn["figure"].axes[0].texts] == ["of_old (1 seed)"]


def test_a_figure_that_cannot_be_written_is_a_sentence_and_the_old_one_stays(stored, tmp_path, monkeypatch):
    shutil.copy(stored, tmp_path)
    figure = tmp_path / "learning_curve.png"
    figure.write_text("old")

    def full(figure, path, **_):
        path.write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    command = [*DIGITS, "--strategies", "random", "--out", str(tmp_path)]
    with monkeypatch.context() as patch, pytest.raises(SystemExit, match=r"the records are kept, .*\(No space"):
        patch.setattr("matplotlib.figure.Figure.savefig", full)
        main(command)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["learning_curve.png", stored.name]
    assert figure.read_text() == "old" and load_run(tmp_path / stored.name) == load_run(stored)
    figure.unlink()
    figure.mkdir()
    with pytest.raises(SystemExit, match=r"the records are kept, .*learning_curve\.png cannot be written"):
        main(command)


def test_a_full_disk_fails_the_run_and_says_which_file(tmp_path, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SystemExit, match=r"1 of 1 runs failed.*random_b10_seed0\.json cannot be written \(No space"):
        main([*DIGITS, "--strategies", "random", "--out", str(tmp_path)])
    assert not list(tmp_path.iterdir())


def test_an_output_folder_that_is_a_file(tmp_path):
    (tmp_path / "runs").write_text("")
    with pytest.raises(SystemExit, match="sweep: out: expected a folder to write to, got .*runs"):
        main([*DIGITS, "--out", str(tmp_path / "runs")])


@pytest.mark.parametrize("images", [["--dataset", "digits"], ["--images", "5000"]])
def test_the_published_start_needs_the_whole_of_mnist(images, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["--start", "published", *images])
    assert "--start published: expected the whole of MNIST" in capsys.readouterr().err


def test_jobs_and_scheduler_exclude_each_other(capsys):
    with pytest.raises(SystemExit, match="2"):
        main([*DIGITS, "--jobs", "2", "--scheduler", "tcp://127.0.0.1:8786"])
    assert "--scheduler: not allowed with argument --jobs" in capsys.readouterr().err


@pytest.mark.slow
def test_a_failing_run_does_not_stop_the_others(tmp_path):
    (tmp_path / "random_b10_seed0.json").write_text("no record")
    with pytest.raises(SystemExit) as end:
        main([*DIGITS, "--strategies", "random", "--seeds", "0", "1", "2", "--out", str(tmp_path)])
    sentence = str(end.value)  # which Python prints, and ends with status 1
    assert sentence.startswith("sweep: 1 of 3 runs failed, the others are finished. random_b10_seed0.json: ")
    assert "expected a run record in JSON" in sentence
    assert [len(load_run(tmp_path / f"random_b10_seed{seed}.json")["rounds"]) for seed in (1, 2)] == [2, 2]


@pytest.mark.slow
@pytest.mark.parametrize(("jobs", "kind"), [("1", "SIGINT"), ("2", "SIGINT"), ("1", "SIGTERM"), ("2", "SIGTERM")])
def test_ctrl_c_and_sigterm_keep_finished_rounds_and_leave_no_process(jobs, kind, tmp_path):
    command = [sys.executable, "-m", "bal_utils.sweep", *DIGITS, "--labels", "400", "--strategies", "bald"]
    command += ["--seeds", "0", "1", "2", "--jobs", jobs, "--out", str(tmp_path)]
    with started(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        wait_for(lambda: process.poll() is not None or list(tmp_path.glob("*.json")))
        children = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.Signals[kind])  # as a terminal, or `timeout`, does
        output, errors = process.communicate(timeout=LIMIT)
    assert process.returncode == 130 and output == ""
    sentence = r"sweep: interrupted with 0 of 3 runs finished, [12] begun; every finished round is kept in .*\n"
    assert re.search(rf"\n{sentence}$", errors)
    assert "Traceback" not in errors and "Warning" not in errors
    assert len(children) >= (jobs == "2") * 2
    wait_for(lambda: not any(child.is_running() and child.status() != "zombie" for child in children))
    assert all(run["rounds"] for run in load_runs(tmp_path))


def pid_or_end(ends):
    return os._exit(1) if ends else os.getpid()


@pytest.mark.slow
@on_a_busy_machine
def test_a_killed_process_is_an_error():
    with pytest.raises(ChildProcessError, match="a process was killed"):
        list(run_in_processes([joblib.delayed(pid_or_end)(ends) for ends in (False, True, False)], jobs=2))


PARENT = """
import os, sys, time, joblib
from pathlib import Path
from bal_utils.sweep.workers import run_in_processes

def work(folder):
    Path(folder, str(os.getpid())).touch()
    time.sleep(600)

list(run_in_processes([joblib.delayed(work)(sys.argv[1])] * 2, jobs=2))
"""


@pytest.mark.slow
@on_a_busy_machine
def test_processes_end_with_a_parent_that_is_killed(tmp_path):
    with started([sys.executable, "-c", PARENT, str(tmp_path)], stderr=subprocess.DEVNULL) as parent:
        wait_for(lambda: len(list(tmp_path.iterdir())) == 2)
        workers = [psutil.Process(int(path.name)) for path in tmp_path.iterdir()]
        parent.kill()
    wait_for(lambda: not any(worker.is_running() and worker.status() != "zombie" for worker in workers))


def four_runs(tmp_path, *options):
    main([*DIGITS, "--strategies", "bald", "random", "--seeds", "0", "1", *options, "--out", str(tmp_path)])
    return {(run["config"]["strategy"], run["config"]["seed"]): run for run in load_runs(tmp_path)}


def without_clock(run):
    return [{key: value for key, value in entry.items() if key != "seconds"} for entry in run["rounds"]]


@pytest.mark.slow
def test_runs_in_lanes_do_not_depend_on_the_number_of_lanes_and_continue(tmp_path):
    whole = four_runs(tmp_path / "three", "--lanes", "3")
    four_runs(tmp_path / "two", "--lanes", "2", "--labels", "20")  # measured once, then continued
    continued = four_runs(tmp_path / "two", "--lanes", "2")
    assert whole.keys() == continued.keys() and len(whole) == 4
    for name, run in whole.items():
        assert without_clock(run) == without_clock(continued[name]) and run["rounds"][-1]["labels"] == 30


@pytest.mark.slow
def test_more_lanes_than_runs_cost_nothing_and_change_nothing(tmp_path, monkeypatch):
    made = []

    def counted(example, num_lanes, most_labels):
        made.append(num_lanes)
        return Lanes(example, num_lanes, most_labels)

    monkeypatch.setattr(runs_of_a_sweep, "Lanes", counted)
    whole = four_runs(tmp_path, "--labels", "20", "--lanes", "50")
    (tmp_path / "bald_b10_seed1.json").unlink()
    again = four_runs(tmp_path, "--labels", "20", "--lanes", "50")
    assert made == [4, 1]
    for name, run in whole.items():
        assert without_clock(run) == without_clock(again[name])


TINY = [
    loop_config("lecture", strategy=strategy, model="mlp", labels=30, num_samples=3, test_samples=3)
    for strategy in ("random", "bald")
]


@pytest.mark.slow
def test_a_run_that_another_process_writes_is_put_off_and_the_others_go_on(tmp_path, capsys):
    paths = [tmp_path / run_name(config) for config in TINY]
    with sole_writer(paths[0]):
        outcomes = run_in_lanes(TINY, ImageSet(name="digits"), paths, num_lanes=2, device="cpu")
        index, record = next(outcomes)
        assert index == 1 and record == load_run(paths[1]) and not paths[0].exists()
        assert f"{paths[0].name} is being written by process {os.getpid()} on" in capsys.readouterr().err
    [(index, record)] = outcomes
    assert index == 0 and record == load_run(paths[0])
    assert sorted(tmp_path.iterdir()) == sorted(paths)


@pytest.mark.slow
def test_two_commands_with_lanes_share_a_folder(tmp_path):
    command = [sys.executable, "-m", "bal_utils.sweep", *DIGITS, "--out", str(tmp_path), "--lanes", "2", "--strategies"]
    with started([*command, "random", "bald"]) as one, started([*command, "bald", "random"]) as other:
        assert [process.wait(timeout=LIMIT) for process in (one, other)] == [0, 0]
    assert [run["rounds"][-1]["labels"] for run in load_runs(tmp_path)] == [30, 30]


def test_a_run_that_nobody_waits_for_ends(tmp_path, capsys):
    path = tmp_path / run_name(TINY[0])
    images, options = ImageSet(name="digits"), {"device": "cpu", "progress": False}
    with sole_writer(path):
        index, sentence = run_one(3, TINY[0], images, path, None, **options, unwanted=lambda: True)
    assert index == 3 and "nobody waits" in sentence and not path.exists()
    assert f"by process {os.getpid()} on" in capsys.readouterr().err
    answers = iter([False, True])  # one network, and no second
    run_one(3, TINY[0], images, path, None, **options, unwanted=lambda: next(answers))
    assert [entry["labels"] for entry in load_run(path)["rounds"]] == [20]


def test_lanes_take_runs_of_one_kind(tmp_path):
    kinds = [TINY[0], loop_config("paper", model="mlp", labels=30)]
    paths = [tmp_path / "a.json", tmp_path / "b.json"]
    with pytest.raises(ValueError, match="configs: expected runs of one model, fit"):
        next(run_in_lanes(kinds, ImageSet(name="digits"), paths, num_lanes=2, device="cpu"))


def test_what_is_no_record_is_not_written_over(stored, tmp_path):
    path = tmp_path / "mine.json"
    path.write_text('{"mine": 1}')
    with pytest.raises(ValueError, match=r"mine\.json: expected a run record"):
        save_if_longer(path, load_run(stored))
    assert path.read_text() == '{"mine": 1}'


@pytest.mark.slow
def test_lanes_start_from_the_same_networks_as_runs_of_their_own(tmp_path):
    alone, together = four_runs(tmp_path / "alone"), four_runs(tmp_path / "lanes", "--lanes", "4")
    for name, run in alone.items():
        assert run["start"] == together[name]["start"] and run["config"] == together[name]["config"]
        # other dropout: the accuracy after the start differs by less than the noise of a network trained on 20 digits
        assert abs(run["rounds"][0]["accuracy"] - together[name]["rounds"][0]["accuracy"]) < 0.15


@pytest.mark.slow
def test_what_fails_in_a_lane_does_not_stop_the_others(tmp_path):
    (tmp_path / "bald_b10_seed0.json").write_text("{}")
    with pytest.raises(SystemExit, match="1 of 4 runs failed, the others are finished"):
        four_runs(tmp_path, "--lanes", "2")
    assert len(list(tmp_path.glob("*.json"))) == 4


@pytest.mark.slow
def test_precision_is_part_of_the_configuration(tmp_path):
    runs = four_runs(tmp_path, "--precision", "bfloat16", "--labels", "20")
    assert {run["config"]["fit"]["precision"] for run in runs.values()} == {"bfloat16"}


def test_stop_on_is_part_of_the_configuration(tmp_path):
    runs = four_runs(tmp_path, "--stop-on", "accuracy", "--labels", "20")
    assert {run["config"]["fit"]["stop_on"] for run in runs.values()} == {"accuracy"}
