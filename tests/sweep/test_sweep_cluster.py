"""A sweep on a real Dask cluster, two worker processes on this machine: one is killed, the command is interrupted."""

import multiprocessing
import multiprocessing.forkserver
import os
import re
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import dask
import joblib
import psutil
import pytest
import torch
from distributed import Client, LocalCluster
from waiting import LIMIT, started, wait_for

from bal_utils.active_learning import LoopConfig
from bal_utils.data.images import ImageSet
from bal_utils.records import load_run, save_run
from bal_utils.sweep import RunsFailed, cluster, run_name, run_sweep
from bal_utils.sweep.__main__ import main
from bal_utils.sweep.cluster import check_workers, connect, run_on_cluster
from bal_utils.sweep.runs import run_one, save_if_longer
from bal_utils.training.fit import FitConfig

DIGITS = ImageSet(name="digits")
TINY = LoopConfig(
    labels=90,
    validation_size=50,
    model="mlp",
    num_samples=3,
    test_samples=3,
    fit=FitConfig(max_epochs=2, epoch_samples=128),
)
CONFIGS = [replace(TINY, strategy=strategy, seed=seed) for seed in (0, 1) for strategy in ("random", "bald")]
ROUNDS = 8
pytestmark = pytest.mark.slow
on_a_busy_machine = pytest.mark.flaky(reruns=2)  # where a process can miss the moment to be killed or interrupted


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """The same number of threads everywhere, as the order of a sum may change its last digit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        yield
        torch.set_num_threads(before)


@pytest.fixture(scope="module")
def client():
    """A scheduler and two worker processes of one thread each; those that are killed come back."""
    multiprocessing.set_forkserver_preload(
        ["bal_utils.sweep", "distributed", "sklearn.datasets", "torch._dynamo", "pytest"]
    )
    multiprocessing.forkserver.ensure_running()  # the slow imports happen once, and new workers are forked from there
    config = {"distributed.worker.multiprocessing-method": "forkserver", "distributed.scheduler.allowed-failures": 1}
    with (
        dask.config.set(config),
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The records of a sweep that nothing disturbs, in this process, by file name."""
    return sweep(tmp_path_factory.mktemp("whole"))


def sweep(out, **where):
    """The records of a sweep as they are returned, by file name; those on disk are the same, and nothing else is."""
    records = run_sweep(CONFIGS, out, images=DIGITS, device="cpu", **where)
    named = {run_name(config): record for config, record in zip(CONFIGS, records, strict=True)}
    assert named == {path.name: load_run(path) for path in out.iterdir()}
    return named


def comparable(record):
    """A record without what differs between two equal runs: how long they took, and where."""
    rounds = [{name: value for name, value in entry.items() if name != "seconds"} for entry in record["rounds"]]
    return {**{name: value for name, value in record.items() if name != "machine"}, "rounds": rounds}


def records_in_the_middle(pid, out):
    """Records with some but not all rounds that a process has the right to write now."""
    locks = [file.path for file in psutil.Process(pid).open_files() if file.path.endswith(".json.lock")]
    paths = [out / os.path.basename(lock)[1:].removesuffix(".lock") for lock in locks]
    return [path for path in paths if path.exists() and 1 <= len(load_run(path)["rounds"]) < ROUNDS]


def kill_a_worker_in_the_middle(client, out):
    """Stops workers in turn until one is seen to be in the middle of a run, kills that one, and returns what it had."""

    def kill():
        for pid in client.run(os.getpid).values():
            os.kill(pid, signal.SIGSTOP)  # nothing changes while we look
            if paths := records_in_the_middle(pid, out):
                had = {path.name: load_run(path) for path in paths}
                os.kill(pid, signal.SIGKILL)
                return had
            os.kill(pid, signal.SIGCONT)

    return wait_for(kill)


@on_a_busy_machine
def test_a_worker_is_killed_and_nothing_is_lost_or_done_twice(client, whole, tmp_path):
    finished = save_run(tmp_path / run_name(CONFIGS[1]), whole[run_name(CONFIGS[1])])
    written = finished.stat().st_mtime_ns
    with ThreadPoolExecutor(1) as thread:
        killing = thread.submit(kill_a_worker_in_the_middle, client, tmp_path)
        records = sweep(tmp_path, scheduler=client.scheduler.address)
    assert {name: comparable(record) for name, record in records.items()} == {
        name: comparable(record) for name, record in whole.items()
    }
    [(name, had)] = killing.result().items()
    # seconds are measured: a round that was done again would have others
    assert records[name]["rounds"][: len(had["rounds"])] == had["rounds"]
    assert finished.stat().st_mtime_ns == written


@on_a_busy_machine
def test_interrupted_the_command_ends_its_runs_and_the_next_one_continues(client, tmp_path):
    workers = sorted(client.run(os.getpid).values())
    command = [sys.executable, "-m", "bal_utils.sweep", "--dataset", "digits", "--model", "mlp", "--device", "cpu"]
    command += ["--strategies", "bald", "--seeds", "0", "1", "2", "--labels", "400", "--num-samples", "3"]
    command += ["--scheduler", client.scheduler.address, "--out", str(tmp_path)]
    with started(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        wait_for(lambda: process.poll() is not None or list(tmp_path.glob("*.json")))
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=LIMIT)
    assert process.returncode == 130 and output == ""
    assert re.search(
        r"\nsweep: interrupted with 0 of 3 runs finished, [12] begun; .* the same command continues\n$", errors
    )
    assert "Traceback" not in errors and "Error" not in errors
    wait_for(lambda: not any(client.run(executing).values()))
    assert sorted(client.run(os.getpid).values()) == workers  # none had to start anew
    assert all(load_run(path)["rounds"] for path in tmp_path.glob("*.json"))


def executing(dask_worker):
    """How many tasks a worker is in the middle of."""
    return len(dask_worker.state.executing)


def test_a_failing_run_does_not_stop_the_others(client, whole, tmp_path):
    first, second, *_ = [run_name(config) for config in CONFIGS]
    for name in whole:
        save_run(tmp_path / name, whole[name])
    (tmp_path / first).write_text("no record")
    save_run(tmp_path / second, {**whole[second], "rounds": whole[second]["rounds"][:-2]})
    with pytest.raises(
        RunsFailed, match=rf"^1 of 4 runs failed, the others are finished\. {first}: .*expected a run record"
    ):
        sweep(tmp_path, scheduler=client.scheduler.address)
    assert comparable(load_run(tmp_path / second)) == comparable(whole[second])
    assert (tmp_path / first).read_text() == "no record"


def end_or_return(index, ends):
    return os._exit(1) if ends else (index, os.getpid())


@on_a_busy_machine
def test_a_run_that_kills_its_workers_is_given_up(client):
    tasks = [joblib.delayed(end_or_return)(index, index == 1) for index in range(3)]
    lost = lambda arguments, error: (arguments[0], type(error).__name__)  # noqa: E731
    results = dict(run_on_cluster(tasks, client.scheduler.address, lost))
    assert results[1] == "KilledWorker" and results.keys() == {0, 1, 2}


@on_a_busy_machine
def test_a_single_worker_is_used_and_not_this_process(client):
    client.cluster.scale(1)
    wait_for(lambda: len(client.nthreads()) == 1)
    try:
        [(_, pid)] = run_on_cluster([joblib.delayed(end_or_return)(0, False)], client.scheduler.address, lost=None)
        assert pid in client.run(os.getpid).values()
    finally:
        client.cluster.scale(2)


@pytest.mark.parametrize(
    ("address", "message"),
    [("nonsense", "missing port number"), ("tcp://127.0.0.1:9", "no answer"), ("", "missing port"), ("a:b", "'a:b'")],
)
def test_a_wrong_address_is_a_sentence(address, message, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "SCHEDULER_SECONDS", 0.5)
    with pytest.raises(SystemExit, match=f"sweep: scheduler: expected the address of a Dask scheduler.*{message}"):
        main(["--dataset", "digits", "--model", "mlp", "--scheduler", address, "--out", str(tmp_path)])
    assert not list(tmp_path.iterdir())


def test_a_port_that_listens_and_says_nothing(monkeypatch):
    monkeypatch.setattr(cluster, "SCHEDULER_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(ConnectionError, match="no answer"):
        connect(f"tcp://127.0.0.1:{server.getsockname()[1]}")


def test_dask_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ValueError, match=r"scheduler: expected dask, .* pip install 'dask\[distributed\]'"):
        connect("tcp://127.0.0.1:8786")


def test_workers_of_several_threads_are_refused():
    client = SimpleNamespace(wait_for_workers=lambda *_, **__: None, nthreads=lambda: {"tcp://a:1": 1, "tcp://b:1": 4})
    with pytest.raises(ValueError, match="expected workers of one thread each, got tcp://b:1; .*--nthreads 1"):
        check_workers(client, "tcp://s:1")


def test_a_worker_that_cannot_write_to_the_folder_continues_what_the_client_has(whole, tmp_path):
    (tmp_path / "file").write_text("")
    name = run_name(CONFIGS[1])
    found = {**whole[name], "rounds": whole[name]["rounds"][:3]}
    path = tmp_path / "file" / name  # nothing can be made below a file
    index, record = run_one(7, CONFIGS[1], DIGITS, path, found, device="cpu", progress=False)
    assert index == 7 and comparable(record) == comparable(whole[name])
    assert record["rounds"][:3] == found["rounds"] and record["rounds"][3:] != whole[name]["rounds"][3:]
    here = save_run(tmp_path / name, found)
    save_if_longer(here, record)
    assert load_run(here) == record
    save_if_longer(here, found)
    assert load_run(here) == record
