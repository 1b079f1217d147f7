"""The explorer of notebook 08 in a real browser: both sliders to their ends, the other method, back again."""

import pytest
from browser_lab import ExplorerOnPage, Lab, NotebookPage

CELL = "from bal_course.explorers.prior_to_posterior import PriorToPosterior\n\nPriorToPosterior()"


@pytest.fixture(scope="module")
def notebook(lab: Lab) -> NotebookPage:
    """A notebook with nothing but the explorer, run."""
    return lab.run_cells("prior_to_posterior", CELL)


@pytest.fixture
def network(notebook: NotebookPage) -> ExplorerOnPage:
    """The explorer, back at its first state."""
    explorer = notebook.explorer()
    explorer.press_button("Reset")
    explorer.wait_for_status("KL weight 1 is Bayes' rule")
    return explorer


@pytest.mark.parametrize("slider", [0, 1], ids=["scale", "KL weight"])
def test_each_slider_changes_the_picture_up_to_its_ends(network: ExplorerOnPage, notebook: NotebookPage, slider: int):
    for key in ("ArrowRight", "Home", "End"):
        before = network.pixels()
        network.slider(slider)
        network.page.keyboard.press(key)
        network.wait_for_change(before)
        network.wait_for_status("nats from the prior")
    assert notebook.errors() == []


def test_a_heavy_kl_is_called_by_its_name(network: ExplorerOnPage):
    network.slider(1)
    network.page.keyboard.press("End")
    network.wait_for_status("counts as 1/100 of one")


def test_the_other_method_is_learned_and_undone_by_reset(network: ExplorerOnPage):
    before, said = network.pixels(), network.status()
    network.box.locator("select").first.select_option("Bayes by Backprop")
    after = network.wait_for_change(before)
    assert network.status() != said
    network.press_button("Reset")
    assert network.wait_for_change(after) != after
    network.wait_for_status(said)
