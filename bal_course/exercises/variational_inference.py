"""Exercises of the notebook `variational_inference`."""

import math
from dataclasses import dataclass

import torch
from torch.nn.functional import logsigmoid

from bal_course.exercises.core import Exercise, Mistake
from bal_utils.runtime import stream
from bal_utils.theory.variational import base_draws

CHAPTER = ("04", "How do you fit a distribution to one you cannot compute?")

prediction_1 = Exercise(
    name="variational_inference.prediction_1",
    title="One hill, two bumps",
    question="You minimise $\\mathrm{KL}(q \\,\\|\\, p)$, the average over $q$ of $\\log q - \\log p$. Where does $q$ end up?",
    choices={
        "A": "As a wide hill over both bumps and the valley between them",
        "B": "On one of the bumps",
        "C": "As a narrow hill in the valley, halfway",
    },
    answer="B",
    explanation="KL(q ‖ p) is averaged over q: sitting in the valley is expensive, leaving out a bump is nearly free.",
    hints=(
        "KL(q ‖ p) averages log q(w) - log p(w) over draws from q. Which draws make that large?",
        "Between the bumps p is almost 0, so log p is very negative there. What does that cost a q with mass in the valley?",
    ),
    mistakes=(
        Mistake(
            "A",
            "A hill over both bumps has mass in the valley, where p is almost 0: log q - log p is large just there. "
            "You have described the other direction, KL(p ‖ q).",
        ),
        Mistake("C", "In the valley p is almost 0, so every draw from this q pays a large log q - log p."),
    ),
)

prediction_2 = Exercise(
    name="variational_inference.prediction_2",
    title="The price of not using the slope",
    question="In one dimension one reparametrised draw is worth seven or eight score-function draws. "
    "How many is it worth in a hundred dimensions?",
    choices={
        "A": "About one: both are right on average",
        "B": "About ten",
        "C": "More than a thousand",
    },
    answer="C",
    explanation="One variance grows like D²/4 and the other stays at 1: about 2,700 against 1 at D = 100.",
    hints=(
        "How large is the number f(w) = -|w|²/2 for a typical w in 100 dimensions?",
        "About -50. The score-function estimate is that number times ε, whose mean is 0 and whose variance is 1.",
    ),
    mistakes=(
        Mistake("A", "Both are right on average, and that is all they share. Ask how far a single estimate strays."),
        Mistake("B", "In one dimension the factor is about 8. It grows with the square of the dimension."),
    ),
)

prediction_3 = Exercise(
    name="variational_inference.prediction_3",
    title="The flights' intercept",
    question="The exact standard deviation of the intercept is 7.9. You fit a mean-field $q$ by the ELBO. What will it say?",
    choices={
        "A": "About 0.6: it has to fit inside a thin ellipse",
        "B": "7.9: the correlation gets lost, but each weight keeps its own width",
        "C": "About 100: without the correlation it has to be wide to be safe",
    },
    answer="A",
    explanation="A mean-field q reports how unsure you would be about one weight if you knew all the others.",
    hints=(
        "Draw a long thin ellipse at an angle. Put into it the ellipse with axes parallel to the coordinates that fits best.",
        "KL(q ‖ p) punishes mass of q where p has little. So the ellipse stays inside. How wide is it?",
    ),
    mistakes=(
        Mistake(
            "B",
            "That is the shadow of the ellipse on the axis. An upright ellipse as wide as both shadows has corners where p has "
            "almost nothing, and KL(q ‖ p) forbids those.",
        ),
        Mistake("C", "Too wide would put q where p has nothing. KL(p ‖ q) accepts that, KL(q ‖ p) does not."),
    ),
)


def kl_gaussians(mean_q, std_q, mean_p, std_p):
    return math.log(std_p / std_q) + (std_q**2 + (mean_q - mean_p) ** 2) / (2 * std_p**2) - 0.5


exercise_1 = Exercise(
    name="variational_inference.exercise_1",
    title="KL between two Gaussians",
    answer=kl_gaussians,
    explanation="A log ratio for the widths, a quadratic for spread and distance, and ½ so that equal Gaussians give 0.",
    hints=(
        "Start from E_q[log q] - E_q[log p]. The terms with log 2π cancel.",
        "E_q[(w - mean_q)²] is std_q², and E_q[(w - mean_p)²] is std_q² + (mean_q - mean_p)².",
    ),
    cases=((0.0, 1.0, 0.0, 1.0), (1.0, 0.5, 0.0, 1.0), (0.0, 3.0, 2.0, 0.7)),
    mistakes=(
        Mistake(
            lambda mean_q, std_q, mean_p, std_p: kl_gaussians(mean_p, std_p, mean_q, std_q),
            "This is KL(p ‖ q), the wrong way round: the average is taken over the first argument, q.",
        ),
        Mistake(
            lambda mean_q, std_q, mean_p, std_p: (
                math.log(std_p / std_q) + (std_q + (mean_q - mean_p) ** 2) / (2 * std_p) - 0.5
            ),
            "You use the standard deviations as if they were variances. Square them in the second term.",
        ),
        Mistake(
            lambda mean_q, std_q, mean_p, std_p: kl_gaussians(mean_q, std_q, mean_p, std_p) + 0.5,
            "Two equal Gaussians must give 0; yours give ½. Collect the constant that E_q[log q] leaves behind.",
        ),
        Mistake(
            lambda mean_q, std_q, mean_p, std_p: (
                kl_gaussians(mean_q, std_q, mean_p, std_p) - 2 * math.log(std_p / std_q)
            ),
            "The log ratio is upside down: a narrow q (small std_q) is far from a wide p, so log(std_p / std_q).",
        ),
        Mistake(
            lambda mean_q, std_q, mean_p, std_p: -kl_gaussians(mean_q, std_q, mean_p, std_p),
            "The sign is turned: this is E_q[log p - log q], and a divergence is never negative.",
        ),
    ),
)

ENTROPY_OF_ONE = 0.5 * math.log(2 * math.pi * math.e)  # of a Gaussian with standard deviation 1


def elbo(log_joint, mean, std, base):
    weights = mean + std * base
    return log_joint(weights).mean() + math.log(std) + 0.5 * math.log(2 * math.pi * math.e)


@dataclass(frozen=True)
class LogJoint:
    """Of a pin that landed point up `up` times and `down` times not, its log odds N(0, prior_std²) before; up to a constant."""

    up: int
    down: int
    prior_std: float

    def __call__(self, w):
        return -((w / self.prior_std) ** 2) / 2 + self.up * logsigmoid(w) + self.down * logsigmoid(-w)


BASE = base_draws(50, 1, stream(0, "exercise"))[:, 0]

exercise_2 = Exercise(
    name="variational_inference.exercise_2",
    title="An ELBO from draws",
    answer=elbo,
    explanation="Move the draws to where q is, average the log joint there, and add the entropy that keeps q from collapsing.",
    hints=(
        "Draws from q are `mean + std * base`.",
        "The entropy of a Gaussian is log std + ½ log(2πe). Averaging -log q over the draws is as good.",
        "`log_joint(weights).mean() + entropy`, in that sign: higher is better.",
    ),
    cases=(
        (LogJoint(3, 0, 2.0), 2.0, 1.3, BASE),
        (LogJoint(3, 0, 2.0), 0.0, 0.5, BASE),
        (LogJoint(2, 1, 1.0), 0.3, 2.0, BASE),
    ),
    mistakes=(
        Mistake(
            lambda log_joint, mean, std, base: -elbo(log_joint, mean, std, base),
            "The sign of the ELBO is turned. What you return is the loss that an optimiser minimises; the ELBO rises.",
        ),
        Mistake(
            lambda log_joint, mean, std, base: log_joint(mean + std * base).mean(),
            "The entropy is missing. Without it nothing keeps q wide, and the best q is a spike on the highest point (MAP).",
        ),
        Mistake(
            lambda log_joint, mean, std, base: elbo(log_joint, mean, std, base) - ENTROPY_OF_ONE,
            "The constant of the entropy is missing, ½ log(2πe). It does not move the best q, but it belongs to the bound.",
        ),
        Mistake(
            lambda log_joint, mean, std, base: elbo(log_joint, mean, std**2, base) - math.log(std),
            "You moved the draws by the variance. `mean + std * base` has variance std²; `mean + std² * base` does not.",
        ),
        Mistake(
            lambda log_joint, mean, std, base: elbo(log_joint, mean, std, base) - 2 * (math.log(std) + ENTROPY_OF_ONE),
            "You subtract the entropy. The ELBO is E_q[log joint] - E_q[log q], and -E_q[log q] is the entropy: it is added.",
        ),
        Mistake(
            lambda log_joint, mean, std, base: log_joint(mean + std * base).sum() + math.log(std) + ENTROPY_OF_ONE,
            "You sum over the draws. An expectation is estimated by their average.",
        ),
    ),
)


exercise_3 = Exercise(
    name="variational_inference.exercise_3",
    title="Where the slope stops being the better guide",
    answer=1.109,
    tolerance=0.01,
    explanation="From there on the slope, as large as k, is noisier than ε times the value, which is never larger than 1.",
    hints=(
        "`variances(lambda w: torch.sin(k * w).sum(dim=-1), torch.zeros(1), 'mine')` gives both. Try k = 1, and k = 2.",
        "Halve the interval in which the order changes, until you know two digits behind the point.",
        "In closed form: both variances hold k² exp(-k²) once; compare ½(1 - (1 - 4k²) exp(-2k²)) with ½k²(1 + exp(-2k²)).",
    ),
    mistakes=(
        Mistake(1.0, "Near, but there the slope is still the better guide: 0.34 against 0.20."),
        Mistake(2.0, "There the score function is already four times better. Look below."),
        Mistake(0.5, "For so slow a wiggle the slope is far better. Look above."),
    ),
)


exercise_4 = Exercise(
    name="variational_inference.exercise_4",
    title="Coordinates for a mean-field q",
    answer=68,
    tolerance=0.005,
    explanation="Measured from there the intercept says how probable distress is where the flights tell most about it.",
    hints=(
        "Compute the covariance for c = 60 and c = 75 and look at its sign off the diagonal.",
        "Halve the interval in which the sign changes.",
    ),
    mistakes=(
        Mistake(
            69.57,
            "That is the mean of the temperatures. Nearly: flights whose outcome was open count more than others.",
        ),
        Mistake(70, "Near, but the correlation is still 0.33 there."),
        Mistake(
            0.0, "Measured from zero the correlation is all but perfect. Look among the temperatures of the flights."
        ),
        Mistake(31, "That is where one wants to predict. The correlation depends on where the flights were."),
    ),
)


def mean_field_std(covariance):
    return 1 / torch.linalg.inv(covariance).diagonal().sqrt()


exercise_5 = Exercise(
    name="variational_inference.exercise_5",
    title="The width of a mean-field q",
    answer=mean_field_std,
    explanation="The precision matrix holds the answer: 1/Λᵢᵢ is the variance of weight i when all others are known.",
    hints=(
        "First the precision matrix: `torch.linalg.inv(covariance)`.",
        "The variance is 1/Λᵢᵢ. The task asks for the standard deviation.",
    ),
    cases=(
        (torch.tensor([[1.0, 0.9], [0.9, 1.0]], dtype=torch.float64),),
        (torch.tensor([[4.0, -1.0, 0.0], [-1.0, 1.0, 0.2], [0.0, 0.2, 0.5]], dtype=torch.float64),),
    ),
    mistakes=(
        Mistake(
            lambda covariance: covariance.diagonal().sqrt(),
            "These are the target's marginal standard deviations. A mean-field q is narrower where weights are correlated.",
        ),
        Mistake(
            lambda covariance: 1 / torch.linalg.inv(covariance).diagonal(),
            "These are variances. Take the square root for standard deviations.",
        ),
        Mistake(
            lambda covariance: torch.linalg.inv(covariance).diagonal().sqrt(),
            "Λᵢᵢ is a precision: the larger it is, the narrower q. Take its inverse before the root.",
        ),
    ),
)


def minibatch_loss(nll_B, kl, num_data):
    return nll_B.mean() + kl / num_data


exercise_6 = Exercise(
    name="variational_inference.exercise_6",
    title="The loss of one minibatch",
    answer=minibatch_loss,
    explanation="Both parts are per data point: an average for the misfit, and each point's share, 1/N, of the KL.",
    hints=(
        "-ELBO = sum of all N misfits + KL. Divide both parts by N.",
        "The average over a random minibatch estimates the average over all N points. KL/N needs no estimate.",
    ),
    cases=(
        (torch.tensor([0.5, 1.5, 1.0, 3.0]), torch.tensor(20.0), 1000),
        (torch.tensor([2.0, 2.5]), torch.tensor(3.0), 10),
        (torch.tensor([0.1, 0.2, 0.3]), torch.tensor(7.0), 60_000),
    ),
    mistakes=(
        Mistake(
            lambda nll_B, kl, num_data: nll_B.mean() + kl,
            "The KL is not divided by N. Against an average over data points it counts N times, and q stays near the prior.",
        ),
        Mistake(
            lambda nll_B, kl, num_data: nll_B.mean() + kl / len(nll_B),
            "You divide the KL by the batch size. The share of one data point is 1/N, with N the size of the whole data set.",
        ),
        Mistake(
            lambda nll_B, kl, num_data: nll_B.mean() + kl * len(nll_B) / num_data,
            "KL divided by the number of batches belongs to the SUM of the misfits in a batch. You average them: divide by N.",
        ),
        Mistake(
            lambda nll_B, kl, num_data: nll_B.sum() + kl / num_data,
            "You sum the misfits of the batch but take one data point's share of the KL. Average, or use KL × B/N.",
        ),
        Mistake(
            lambda nll_B, kl, num_data: nll_B.mean() - kl / num_data,
            "The sign of the KL is turned. The loss is -ELBO: misfit plus KL; yours rewards q for leaving the prior.",
        ),
    ),
)
