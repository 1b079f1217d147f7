import pytest

from bal_utils.records import load_runs
from bal_utils.sweep import main

DIGITS = ["--dataset", "digits", "--model", "mlp", "--labels", "30", "--num-samples", "3", "--device", "cpu"]


def test_the_command_writes_a_record_a_run_and_a_figure(tmp_path, capsys):
    main([*DIGITS, "--strategies", "random", "bald", "--seeds", "0", "1", "--out", str(tmp_path)])
    runs = load_runs(tmp_path)
    assert [(run["config"]["strategy"], run["config"]["seed"]) for run in runs] == [
        ("bald", 0), ("bald", 1), ("random", 0), ("random", 1)]  # fmt: skip
    assert all(run["rounds"][-1]["labels"] == 30 for run in runs)
    figure = tmp_path / "learning_curve.png"
    assert capsys.readouterr().out.strip() == str(figure) and figure.read_bytes().startswith(b"\x89PNG")


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
    ],
)
def test_bad_arguments_are_sentences(arguments, message, tmp_path):
    with pytest.raises(SystemExit, match=message):
        main([*DIGITS, *arguments, "--out", str(tmp_path)])
    assert not list(tmp_path.iterdir())
