"""The command that writes a page: what it reads, what it refuses."""

import pytest

from bal_course.explorers.three_kinds import ThreeKinds, ThreeKindsState
from bal_scenes.page import main, write_page

KINDS = "bal_course.explorers.three_kinds:ThreeKinds"


def test_the_command_writes_a_page(tmp_path, capsys):
    out = tmp_path / "page.html"
    state = '{"explorer": "ThreeKinds", "noise": 1.0, "count": 40}'
    main([KINDS, "--field", "place=0,4,7.5", "--field", "count=[5, 40]", "--state", state, "--out", str(out)])
    assert "MB" in capsys.readouterr().out
    assert "6 stored scenes" in out.read_text()
    assert "<h1>A lake, a boat, a question: move the question and see" in out.read_text()
    wanted = write_page(
        ThreeKinds(ThreeKindsState(noise=1.0)),
        tmp_path / "wanted.html",
        fields={"place": [0.0, 4.0, 7.5], "count": [5, 40]},
        title=ThreeKinds.__doc__.rstrip("."),
    )
    assert out.read_bytes() == wanted.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([KINDS, "--field", "place"], "expected NAME=VALUE,VALUE"),
        ([KINDS, "--field", "place=far"], "place: expected float, got 'far'"),
        ([KINDS, "--field", "depth=1"], "no control for 'depth'"),
        ([KINDS, "--field", "place=1", "--field", "place=2"], "place is given twice"),
        ([KINDS, "--field", "place=[1, 2"], "expected a list [VALUE, VALUE, …] of place, got '[1, 2'"),
        ([KINDS, "--out", "/no/such/folder/page.html"], "there is no folder /no/such/folder"),
        ([KINDS, "--state", "{"], "not a copied scene"),
        (["bal_course.explorers.three_kinds"], "expected MODULE:CLASS"),
        (["bal_course.explorers.four_kinds:FourKinds"], "No module named"),
        (["bal_course.explorers.three_kinds:Three"], "no explorer Three"),
        (["bal_course.explorers.three_kinds:Doubt"], "no explorer Doubt"),
    ],
)
def test_the_command_refuses_with_a_sentence(tmp_path, capsys, arguments, words):
    with pytest.raises(SystemExit) as left:
        main(["--out", str(tmp_path / "page.html"), *arguments])
    assert left.value.code == 2 and words in capsys.readouterr().err
