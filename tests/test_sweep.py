import os
import re
import signal
import subprocess
import sys
import time

import joblib
import psutil
import pytest

from bal_utils import sweep
from bal_utils.records import load_run, load_runs
from bal_utils.sweep import draw_learning_curves, main
from bal_utils.workers import run_in_processes

# on a busy machine a signal can come while Python itself starts or ends
pytestmark = pytest.mark.flaky(reruns=2)
DIGITS = ["--dataset", "digits", "--model", "mlp", "--labels", "30", "--num-samples", "3", "--device", "cpu"]


def test_the_command_writes_a_record_a_run_and_a_figure(tmp_path, capsys):
    main([*DIGITS, "--strategies", "random", "bald", "--seeds", "0", "1", "--out", str(tmp_path)])
    runs = load_runs(tmp_path)
    assert [(run["config"]["strategy"], run["config"]["seed"]) for run in runs] == [
        ("bald", 0), ("bald", 1), ("random", 0), ("random", 1)]  # fmt: skip
    assert all(run["rounds"][-1]["labels"] == 30 for run in runs)
    figure = tmp_path / "learning_curve.png"
    assert capsys.readouterr().out.strip() == str(figure) and figure.read_bytes().startswith(b"\x89PNG")


def test_the_figure_has_a_panel_a_batch_size_and_a_strategy_one_colour(tmp_path, monkeypatch):
    main([*DIGITS, "--batch-sizes", "5", "10", "--strategies", "random", "--out", str(tmp_path)])
    main([*DIGITS, "--posterior", "deterministic", "--strategies", "entropy", "--out", str(tmp_path)])
    drawn = {}
    monkeypatch.setattr(sweep.plt, "close", lambda figure: drawn.update(figure=figure))
    draw_learning_curves(tmp_path)
    panels = [ax for ax in drawn["figure"].axes if ax.lines]
    titles = ["5 labels a round", "10 labels a round, one network", "10 labels a round"]
    assert [ax.get_title(loc="left") for ax in panels] == titles and len(drawn["figure"].axes) == 4
    names = [[line.get_label() for line in ax.get_legend_handles_labels()[0]] for ax in panels]
    assert names == [["Random (1 seed)"], ["Max entropy (1 seed)"], ["Random (1 seed)"]]
    assert panels[0].lines[0].get_color() == panels[2].lines[0].get_color() != panels[1].lines[0].get_color()


def test_more_strategies_than_colours_are_drawn_too(tmp_path):
    names = ["random", "entropy", "margin", "bald", "mean_std", "variation_ratio", "power_bald"]
    main([*DIGITS, "--strategies", *names, "--out", str(tmp_path)])
    assert (tmp_path / "learning_curve.png").exists()


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
        (["--device", "abacus"], "device: expected one that this machine has"),
        (["--seeds", "0", "0"], "two of one name"),
        (["--model", "kirsch_cnn"], "image_size"),
        (["--jobs", "0"], "jobs: expected at least 1, or -1"),
        (["--lanes", "0"], "lanes: expected at least 1, got 0"),
    ],
)
def test_bad_arguments_are_sentences(arguments, message, tmp_path):
    with pytest.raises(SystemExit, match=message):
        main([*DIGITS, *arguments, "--out", str(tmp_path)])
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


def test_a_failing_run_does_not_stop_the_others(tmp_path):
    (tmp_path / "random_b10_seed0.json").write_text("no record")
    with pytest.raises(SystemExit) as end:
        main([*DIGITS, "--strategies", "random", "--seeds", "0", "1", "2", "--out", str(tmp_path)])
    sentence = str(end.value)  # which Python prints, and ends with status 1
    assert sentence.startswith("sweep: 1 of 3 runs failed, the others are finished. random_b10_seed0.json: ")
    assert "expected a run record in JSON" in sentence
    assert [len(load_run(tmp_path / f"random_b10_seed{seed}.json")["rounds"]) for seed in (1, 2)] == [2, 2]


def wait_for(condition):
    """Waits until a condition holds; on an idle machine that takes seconds."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < 500, "waited too long"
        time.sleep(0.02)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_keeps_finished_rounds_and_leaves_no_process(jobs, tmp_path):
    command = [sys.executable, "-m", "bal_utils.sweep", *DIGITS, "--labels", "400", "--strategies", "bald"]
    command += ["--seeds", "0", "1", "2", "--jobs", jobs, "--out", str(tmp_path)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, start_new_session=True, **pipes) as process:
        wait_for(lambda: process.poll() is not None or list(tmp_path.glob("*.json")))
        children = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to all processes of the command
        output, errors = process.communicate(timeout=200)
    assert process.returncode == 130 and output == ""
    sentence = r"sweep: interrupted with 0 of 3 runs finished, [12] begun; every finished round is kept in .*\n"
    assert re.search(rf"\n{sentence}$", errors)
    assert "Traceback" not in errors and "Warning" not in errors
    assert len(children) >= (jobs == "2") * 2
    wait_for(lambda: not any(child.is_running() and child.status() != "zombie" for child in children))
    assert all(run["rounds"] for run in load_runs(tmp_path))


def pid_or_end(ends):
    return os._exit(1) if ends else os.getpid()


def test_a_killed_process_is_an_error():
    with pytest.raises(ChildProcessError, match="a process was killed"):
        list(run_in_processes([joblib.delayed(pid_or_end)(ends) for ends in (False, True, False)], jobs=2))


PARENT = """
import os, sys, time, joblib
from pathlib import Path
from bal_utils.workers import run_in_processes

def work(folder):
    Path(folder, str(os.getpid())).touch()
    time.sleep(600)

list(run_in_processes([joblib.delayed(work)(sys.argv[1])] * 2, jobs=2))
"""


def test_processes_end_with_a_parent_that_is_killed(tmp_path):
    with subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], stderr=subprocess.DEVNULL) as parent:
        wait_for(lambda: len(list(tmp_path.iterdir())) == 2)
        workers = [psutil.Process(int(path.name)) for path in tmp_path.iterdir()]
        parent.kill()
    wait_for(lambda: not any(worker.is_running() and worker.status() != "zombie" for worker in workers))


def cnn_runs(tmp_path, *options):
    main(
        [
            *DIGITS,
            "--scale",
            "paper",
            "--strategies",
            "bald",
            "random",
            "--seeds",
            "0",
            "1",
            *options,
            "--out",
            str(tmp_path),
        ]
    )
    return {(run["config"]["strategy"], run["config"]["seed"]): run for run in load_runs(tmp_path)}


def without_clock(run):
    return [{key: value for key, value in entry.items() if key != "seconds"} for entry in run["rounds"]]


def test_runs_in_lanes_do_not_depend_on_the_number_of_lanes_and_continue(tmp_path):
    whole = cnn_runs(tmp_path / "three", "--lanes", "3")
    cnn_runs(tmp_path / "two", "--lanes", "2", "--labels", "20")  # measured once, then continued
    continued = cnn_runs(tmp_path / "two", "--lanes", "2")
    assert whole.keys() == continued.keys() and len(whole) == 4
    for name, run in whole.items():
        assert without_clock(run) == without_clock(continued[name]) and run["rounds"][-1]["labels"] == 30


def test_lanes_start_from_the_same_networks_as_runs_of_their_own(tmp_path):
    alone, together = cnn_runs(tmp_path / "alone"), cnn_runs(tmp_path / "lanes", "--lanes", "4")
    for name, run in alone.items():
        assert run["start"] == together[name]["start"] and run["config"] == together[name]["config"]
        # other dropout: the accuracy after the start differs by less than the noise of a network trained on 20 digits
        assert abs(run["rounds"][0]["accuracy"] - together[name]["rounds"][0]["accuracy"]) < 0.15


def test_what_fails_in_a_lane_does_not_stop_the_others(tmp_path):
    (tmp_path / "bald_b10_seed0.json").write_text("{}")
    with pytest.raises(SystemExit, match="1 of 4 runs failed, the others are finished"):
        cnn_runs(tmp_path, "--lanes", "2")
    assert len(list(tmp_path.glob("*.json"))) == 4


def test_stop_on_is_part_of_the_configuration(tmp_path):
    runs = cnn_runs(tmp_path, "--stop-on", "accuracy", "--labels", "20")
    assert {run["config"]["fit"]["stop_on"] for run in runs.values()} == {"accuracy"}
