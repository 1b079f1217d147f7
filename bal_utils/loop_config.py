"""What decides a run of the loop: strategy, network, posterior, and the numbers of two scales."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from torch import Tensor, nn

from bal_utils.acquisition import find_strategy
from bal_utils.checks import check_whole
from bal_utils.data import ImageData
from bal_utils.models import MLP, GalCNN, KirschCNN, glorot_uniform
from bal_utils.posteriors.mc_dropout import deterministic_log_probs, sample_log_probs
from bal_utils.runtime import Scale
from bal_utils.training import FitConfig

MODELS: dict[str, Callable[[ImageData], nn.Module]] = {
    "mlp": lambda data: MLP(data.train_images[0].numel(), data.num_classes, hidden=(256, 256)),
    "gal_cnn": lambda data: GalCNN(data.num_classes, image_size=data.train_images.shape[-1]),
    "gal_cnn_3x3": lambda data: glorot_uniform(
        GalCNN(data.num_classes, image_size=data.train_images.shape[-1], kernel_size=3)
    ),
    "kirsch_cnn": lambda data: KirschCNN(data.num_classes, image_size=data.train_images.shape[-1]),
}
POSTERIORS: dict[str, Callable[..., Tensor]] = {
    "mc_dropout": sample_log_probs,
    "deterministic": lambda model, inputs, num_samples, *, generator: deterministic_log_probs(model, inputs),
}

# the twenty images of MNIST, two a class, that the published runs of Kirsch et al. 2019 start from (their logs)
KIRSCH_START = (
    38043, 40091, 17418, 2094, 39879, 3133, 5011, 40683, 54379, 24287,
    9849, 59305, 39508, 39356, 8758, 52579, 13655, 7636, 21562, 41329,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """All that decides a run.

    Two runs with equal configurations on the same data and CPU give the same record. A GPU adds up in another order each time.
    """

    strategy: str = "bald"  # a name in acquisition.ACQUISITIONS
    batch_size: int = 10  # labels asked for in each round
    labels: int = 120  # stop once this many are labelled
    initial_per_class: int = 2  # of each class, drawn anew for each seed
    start: tuple[int, ...] | None = None  # or these places in the training set
    validation_size: int = 1024  # labelled images held back to stop training early; never counted in `labels`
    candidates: int | None = None  # score only so many images of the pool, drawn anew in each round; by default all
    model: str = "kirsch_cnn"  # a name in MODELS, trained from new weights in each round
    posterior: str = "mc_dropout"  # a name in POSTERIORS
    num_samples: int = 20  # K, posterior samples behind each score
    test_samples: int = 20  # posterior samples averaged for each test prediction
    test_posterior: str | None = None  # what predicts the test set; by default `posterior`
    pixels: Literal["unit"] | None = None  # "unit": x / 255; by default standardised as by `data.standardise`
    fit: FitConfig = field(default_factory=FitConfig)
    scale: Scale = "lecture"  # the scale whose numbers these are, but for the changes made on purpose
    seed: int = 0

    def __post_init__(self):
        find_strategy(self.strategy)
        for name, known in (("model", MODELS), ("posterior", POSTERIORS)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name}: expected one of {', '.join(known)}, got {getattr(self, name)!r}")
        if self.test_posterior not in (None, *POSTERIORS):
            raise ValueError(f"test_posterior: expected one of {', '.join(POSTERIORS)}, got {self.test_posterior!r}")
        if self.pixels not in (None, "unit"):
            raise ValueError(f"pixels: expected 'unit' or None, got {self.pixels!r}")
        for name in ("batch_size", "labels", "initial_per_class", "validation_size", "num_samples", "test_samples"):
            check_whole(name, getattr(self, name), at_least=1)
        if self.candidates is not None:
            check_whole("candidates", self.candidates, at_least=1)
        if self.candidates is not None and self.candidates < self.batch_size:
            raise ValueError(f"candidates: expected at least batch_size = {self.batch_size}, got {self.candidates!r}")


def loop_config(scale: Scale, **changes) -> LoopConfig:
    """The protocol at one of the two scales, with changes.

    "paper" is that of Kirsch et al. 2019 (arXiv:1906.08158, section 4.1): 100 samples, epochs of 5,056 draws, patience 3.
    "lecture" keeps the network, the pool and the test set, and takes fewer samples and shorter epochs; these stop on the
    accuracy, because with few steps the loss turns up long before the accuracy does.
    """
    if scale == "paper":
        config = LoopConfig(
            scale="paper", num_samples=100, test_samples=100, labels=300, fit=FitConfig(epoch_samples=5056)
        )
    else:
        shorter = FitConfig(epoch_samples=1024, max_epochs=20, patience=5, stop_on="accuracy")
        config = LoopConfig(fit=shorter)
    return replace(config, **changes)


def _hundred_a_round(**fit) -> LoopConfig:
    return loop_config(
        "paper", model="gal_cnn", num_samples=10, test_samples=10, batch_size=100, labels=1020, fit=FitConfig(**fit)
    )


PROTOCOLS: dict[str, LoopConfig] = {
    # Kirsch et al. 2019 (arXiv:1906.08158, section 4.1), from the twenty images of their logs
    "kirsch2019": loop_config("paper", start=KIRSCH_START),
    # Gal, Islam & Ghahramani 2017 (arXiv:1703.02910, section 5.1) as its text describes the experiment; the text leaves the
    # end of training open: here it is that of 2019
    "gal2017-as-written": loop_config("paper", model="gal_cnn", validation_size=100, labels=1020),
    # The experiment whose mean curves cross 10 % and 5 % error where the table of 2017 says, as its set-up file and scripts
    # describe it (github.com/Riashat/Active-Learning-Bayesian-Convolutional-Neural-Networks, N=1000, Q=5). There an image
    # stays in the pool once it is labelled; here it leaves it.
    "gal2017-as-found": LoopConfig(
        scale="paper",
        initial_per_class=10,
        batch_size=5,
        labels=1000,
        candidates=1000,
        validation_size=2000,
        model="gal_cnn_3x3",
        pixels="unit",
        num_samples=100,
        test_samples=1,
        test_posterior="deterministic",
        fit=FitConfig(batch_size=128, max_epochs=50, stop_on="never", dense_penalty=10.0),
    ),
    # A hundred labels a round with ten samples, the setting of a public course report. Training ends with the validation loss …
    "hundred-a-round": _hundred_a_round(epoch_samples=5056),
    # … or after 600 steps, whatever the number of labels, with a quarter of the penalty of 2017 on the dense layer
    "hundred-a-round-fixed-steps": _hundred_a_round(
        epoch_samples=6400, max_epochs=6, stop_on="never", dense_penalty=2.5
    ),
}
