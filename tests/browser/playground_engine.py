"""The playground's mathematics in a real browser, and what it is compared with: networks, masks and scores of the library."""

import base64
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bal_utils.data import two_moons
from bal_utils.models import MLP
from bal_utils.posteriors.masked.masks import draw_masks, masked_calls, trace
from bal_utils.runtime import stream
from bal_utils.training.fit import FitConfig, fit, initialised

FOLDER = Path(__file__).parents[2] / "publishing" / "playground"
LINEAR = {"1": 1, "2": 4, "3": 7}  # the places of the three linear layers in an MLP of two hidden layers
TRAINING = {"learning_rate": 0.02, "batch_size": 200, "max_epochs": 150, "weight_decay": 1e-4}
PAGE = """<!doctype html><meta charset="utf-8"><script>{scripts}
const floats = (text) => new Float32Array(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
const networkOf = (told) => Object.fromEntries(Object.entries(told).map(([name, text]) => [name, floats(text)]));
</script>"""


class Engine:
    """A page that has the engine and the worker's functions, and nothing else."""

    def __init__(self, browser: Any, folder: Path) -> None:
        scripts = "\n".join((FOLDER / name).read_text(encoding="utf-8") for name in ("engine.js", "worker.js"))
        (folder / "engine.html").write_text(PAGE.format(scripts=scripts), encoding="utf-8")
        self.page = browser.new_page()
        self.page.goto((folder / "engine.html").as_uri())

    def ask(self, body: str, **told: Any) -> Any:
        """What JavaScript with these values returns; tensors arrive as base64 for `floats`."""
        return self.page.evaluate(f"({{ {', '.join(told)} }}) => {{ {body} }}", told)


def packed(values: Tensor) -> str:
    return base64.b64encode(values.detach().contiguous().numpy().astype(np.float32).tobytes()).decode()


def exported(model: MLP) -> dict[str, str]:
    """The weights as the playground has them: a matrix has a row for each of its inputs."""
    told = {}
    for name, place in LINEAR.items():
        told |= {f"W{name}": packed(model[place].weight.T), f"b{name}": packed(model[place].bias)}
    return told


def labelled_moons(seed: int, count: int, noise: float = 0.2) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """`count` labelled points, at least one of each class, and 700 others."""
    inputs, labels = two_moons(count + 700, noise, seed)
    assert len(labels[:count].unique()) == 2
    return inputs[:count], labels[:count], inputs[count:], labels[count:]


def trained(inputs: Tensor, labels: Tensor, seed: int, dropout: float = 0.2) -> MLP:
    """A network as the TwoMoons explorer trains it."""
    model = initialised(lambda: MLP(2, 2, hidden=(32, 32), dropout=dropout), seed)
    fit(model, inputs, labels, config=FitConfig(**TRAINING), seed=seed)
    return model


def masks_of(model: MLP, inputs: Tensor, num_samples: int) -> list[Tensor]:
    """The two masks of each sample that `sample_log_probs` draws."""
    with torch.no_grad():
        masked, _ = masked_calls(model, trace(model, inputs[:1]), inputs[:1])
    return draw_masks(masked, num_samples, stream(0, "masks"))
