import re
import subprocess

import numpy as np
import pytest
import torch

from bal_utils.runtime import choose_device, describe_machine, git_revision, scale, stream, stream_seed


def test_a_stream_is_reproducible_and_apart_from_others():
    draws = {
        purpose: torch.rand(4, generator=stream(3, *purpose)) for purpose in [("a",), ("b",), ("a", 1), ("a", "1")]
    }
    assert torch.equal(draws[("a",)], torch.rand(4, generator=stream(3, "a")))
    assert len({tuple(draw.tolist()) for draw in draws.values()}) == 4
    assert not torch.equal(draws[("a",)], torch.rand(4, generator=stream(4, "a")))


def test_streams_of_many_seeds_are_uniform():
    """The mean of 4,000 first draws is 1/2 within five standard errors: sqrt(1/12/4000) = 0.0046."""
    first = torch.stack([torch.rand(1, generator=stream(seed, "x")) for seed in range(4000)])
    assert abs(first.mean().item() - 0.5) < 5 * 0.0046


def test_streams_leave_the_global_generator_alone():
    before = torch.get_rng_state()
    torch.rand(3, generator=stream(0, "x"))
    assert torch.equal(before, torch.get_rng_state())


def test_seed_must_be_an_integer():
    with pytest.raises(TypeError, match=r"seed: expected an integer, got 1\.5"):
        stream_seed(1.5, "x")


def test_numbers_of_numpy_name_the_same_stream():
    """Their words differ: repr(np.int64(3)) is "np.int64(3)"."""
    for seed, number in ((np.int64(3), 7), (3, np.int64(7)), (np.uint8(3), np.int32(7))):
        assert stream_seed(seed, "train", number) == stream_seed(3, "train", 7)
    with pytest.raises(TypeError, match="^seed: "):
        stream_seed(True, "x")
    with pytest.raises(TypeError, match="^purpose: "):
        stream_seed(0, torch.tensor(3))


def test_device_number_zero_is_a_device(monkeypatch):
    monkeypatch.setenv("BAL_DEVICE", "cpu")
    if not torch.accelerator.is_available():
        with pytest.raises(ValueError, match="^device: .* got 0"):
            choose_device(0)


def test_scale(monkeypatch):
    monkeypatch.delenv("BAL_SCALE", raising=False)
    assert scale() == "lecture"
    monkeypatch.setenv("BAL_SCALE", "paper")
    assert scale() == "paper" and scale("lecture") == "lecture"
    with pytest.raises(ValueError, match="scale: expected one of lecture, paper, got 'huge'"):
        scale("huge")


def test_device(monkeypatch):
    monkeypatch.setenv("BAL_DEVICE", "cpu")
    assert choose_device() == torch.device("cpu")
    for name in ("abacus", "cuda:99", "meta", "hpu", " cpu", "0"):
        with pytest.raises(ValueError, match=f"device: .* got '{name}'"):
            choose_device(name)
    monkeypatch.setenv("BAL_DEVICE", "abacus")
    with pytest.raises(ValueError, match="BAL_DEVICE: .* got 'abacus'"):
        choose_device()


def test_machine_is_described():
    machine = describe_machine(torch.device("cpu"))
    assert machine["torch"] == torch.__version__ and machine["threads"] >= 1 and machine["git_revision"]


def test_the_revision_is_the_one_that_whoever_copied_the_code_named(tmp_path, monkeypatch):
    monkeypatch.setenv("BAL_REVISION", "0123456789ab")
    assert git_revision(tmp_path) == git_revision() == "0123456789ab"


def test_the_revision_tells_of_changed_code_and_not_of_new_figures(tmp_path):
    assert git_revision(tmp_path) == "unknown"
    (tmp_path / "package").mkdir()
    code, figure = tmp_path / "package" / "code.py", tmp_path / "figure.png"
    for file in (code, figure):
        file.write_text("old")
    author = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "all"]):
        subprocess.run(["git", *author, *command], cwd=tmp_path, check=True)
    figure.write_text("new")
    assert re.fullmatch(r"[0-9a-f]{12}", before := git_revision(code.parent))
    code.write_text("new")
    assert git_revision(code.parent) == f"{before}+changes"
