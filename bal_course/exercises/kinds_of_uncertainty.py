"""Exercises of the notebook `kinds_of_uncertainty`."""

import math

import torch

from bal_course.exercises.core import Exercise, Mistake

CHAPTER = ("03", "Noise, ignorance, or a stranger?")

prediction_1 = Exercise(
    name="kinds_of_uncertainty.prediction_1",
    title="Where the doubt shrinks most",
    question="Tomorrow the boat goes on its usual round again and brings home forty more soundings. At which of the three "
    "places does the doubt about the next sounding shrink most, averaged over such rounds?",
    choices={"A": "A, at the dock", "B": "B, in the calm bay", "C": "C, where the boat has never been"},
    answer="B",
    explanation="The boat does visit the bay, only rarely: a few more soundings there fix a depth that is hardly known yet.",
    hints=(
        "At each place, ask what the doubt is made of: a shaking sounder, or missing soundings?",
        "Then ask whether the boat, on its usual round, will bring any new soundings to that place.",
    ),
    mistakes=(
        Mistake(
            "A", "There are many soundings around A already. What remains is the shaking of each one, and that stays."
        ),
        Mistake(
            "C",
            "The boat never goes there. Soundings of somewhere else tell about C only if you know how the lake goes on.",
        ),
    ),
)

prediction_2 = Exercise(
    name="kinds_of_uncertainty.prediction_2",
    title="An error admitted, an error denied",
    question="One network makes an error of 2 m and says so, with the best $s$ for it. Another makes an error of 0.5 m and "
    "denies it, with $s = -5$. Whose loss is larger?",
    choices={
        "A": "The large error that is admitted",
        "B": "The small error that is denied",
        "C": "Both about the same",
    },
    answer="B",
    explanation="Denied, half a metre costs 17 nats. Admitted, two metres cost 2.1.",
    hints=(
        "The best log-variance for an error of 2 m is log 4. What do the three terms come to?",
        "For the other network $e^{-s} = e^5$ is about 150. Multiply it by half of the squared error.",
    ),
    mistakes=(
        Mistake("A", "The squared error counts in units of the noise that is admitted. Work out both losses."),
        Mistake("C", "They are far apart. Put the numbers into the loss: $e^5$ is about 150."),
    ),
)

prediction_3 = Exercise(
    name="kinds_of_uncertainty.prediction_3",
    title="Fours that pass for something else",
    question="What share of the fours, in percent, does a single network assign to another digit with more than 90 % "
    "confidence?",
    answer=52,
    tolerance=0.25,
    explanation="It is about half. Nothing in training ever told the network what the absence of a known digit looks like.",
    hints=(
        "The network has to divide a probability of one among nine digits, none of which is a four.",
        "A four shares strokes with six, one and seven. Which side of their borders it falls on was never trained.",
    ),
    mistakes=(
        Mistake(
            5,
            "That would need a network that knows where its knowledge ends. It only learned borders between nine digits.",
        ),
        Mistake(
            10, "Many more. A four is far from most borders between the nine, and away from a border a softmax is sure."
        ),
        Mistake(20, "More than that. Away from the borders that it learned, a softmax is sure."),
        Mistake(
            90, "Not nearly all: many fours lie near a border between two of the nine, and there the softmax hesitates."
        ),
    ),
)


def remedy(means_K, variances_K, prior_std):
    noise, ignorance = variances_K.mean(), means_K.var(correction=0)
    if ignorance > prior_std**2 / 2:
        return "ask"
    return "sensor" if noise > ignorance else "labels"


def _remedy(asks, noise_is_larger):
    """A remedy by other comparisons of (noise, ignorance, prior_std), first whether to ask, then for what to pay."""

    def wrong(means_K, variances_K, prior_std):
        parts = variances_K.mean(), means_K.var(correction=0), prior_std
        return "ask" if asks(*parts) else "sensor" if noise_is_larger(*parts) else "labels"

    return wrong


def _noise_first(means_K, variances_K, prior_std):
    return "sensor" if variances_K.mean() > means_K.var(correction=0) else remedy(means_K, variances_K, prior_std)


def _averaged_deviations(means_K, variances_K, prior_std):
    return remedy(means_K, variances_K.sqrt().mean()[None] ** 2, prior_std)


def _sample_variance(means_K, variances_K, prior_std):
    ignorance = means_K.var()
    return "ask" if ignorance > prior_std**2 / 2 else "sensor" if variances_K.mean() > ignorance else "labels"


exercise_1 = Exercise(
    name="kinds_of_uncertainty.exercise_1",
    title="Choose the remedy",
    answer=remedy,
    explanation="First whether data have spoken at all, then which part of the doubt is larger, all in variances.",
    hints=(
        "Noise is the mean of the variances. Ignorance is the variance of the means, dividing by K (`correction=0`).",
        "Before any data the variance is `prior_std**2`. Where the ignorance is more than half of it, the remedy is to ask.",
        "Otherwise compare the two variances: a larger noise calls for the sensor, a larger ignorance for labels.",
    ),
    cases=(
        (torch.tensor([0.0, 1.0, -1.0]), torch.tensor([1.0, 2.0, 3.0]), 2.0),
        (torch.tensor([0.0, 1.0, -1.0]), torch.tensor([0.1, 0.1, 0.1]), 2.0),
        (torch.tensor([0.0, 2.0, -2.0]), torch.tensor([0.5, 0.5, 0.5]), 2.0),
        (torch.tensor([0.0, 1.75, -1.75]), torch.tensor([0.5, 1.0, 1.5]), 3.0),
        (torch.tensor([0.0, 2.1, -2.1]), torch.tensor([1.0, 1.0, 1.0]), 3.0),
        (torch.tensor([0.0, 1.0, -1.0]), torch.tensor([3.0, 3.0, 3.0]), 1.0),
        (torch.tensor([0.0, 1.2]), torch.tensor([0.5, 0.5]), 1.0),
        # the mean of the variances is above the ignorance, the squared mean of their roots below it
        (torch.tensor([0.0, 1.0, -1.0]), torch.tensor([2.8, 0.04, 0.04]), 2.0),
        # the mean of the variances is below the ignorance, the largest of them above it
        (torch.tensor([0.0, 1.0, -1.0]), torch.tensor([1.0, 0.1, 0.1]), 2.0),
    ),
    mistakes=(
        Mistake(
            _remedy(lambda noise, ignorance, std: ignorance > std / 2, lambda noise, ignorance, std: noise > ignorance),
            "You compare a variance with half of a standard deviation. Square `prior_std` first.",
        ),
        Mistake(
            _remedy(
                lambda noise, ignorance, std: ignorance.sqrt() > std / 2,
                lambda noise, ignorance, std: noise > ignorance,
            ),
            "Half of the standard deviation is a quarter of the variance. The rule speaks of half of the variance.",
        ),
        Mistake(
            _remedy(
                lambda noise, ignorance, std: noise + ignorance > std**2 / 2,
                lambda noise, ignorance, std: noise > ignorance,
            ),
            "You ask wherever all the doubt is large. A noisy place that is well known is no stranger.",
        ),
        Mistake(
            _remedy(
                lambda noise, ignorance, std: ignorance > std**2 / 2,
                lambda noise, ignorance, std: noise < ignorance,
            ),
            "The remedies are the wrong way round: a better sensor helps against noise, labels against ignorance.",
        ),
        Mistake(
            _remedy(lambda noise, ignorance, std: False, lambda noise, ignorance, std: noise > ignorance),
            "You never ask. Where no data reach, labels from the same source do not help either.",
        ),
        Mistake(
            _noise_first, "You look at the noise first. In a place never visited, a better sensor is money thrown away."
        ),
        Mistake(_averaged_deviations, "You averaged standard deviations. Noise is the mean of the variances."),
        Mistake(
            _sample_variance,
            "`.var()` divides by K - 1. The members are the whole committee here, not a sample of it: `correction=0`.",
        ),
    ),
)


def heteroscedastic_nll(mean, log_variance, target):
    return 0.5 * torch.exp(-log_variance) * (target - mean) ** 2 + 0.5 * log_variance + 0.5 * math.log(2 * math.pi)


exercise_2 = Exercise(
    name="kinds_of_uncertainty.exercise_2",
    title="The loss of a head that predicts a log-variance",
    answer=heteroscedastic_nll,
    explanation="The error counts in units of the noise it admits to, and admitting noise costs half its log-variance.",
    hints=(
        "Start from the density of N(μ, σ²) and take minus its logarithm. There are three terms.",
        "With s = log σ², dividing by σ² is multiplying by exp(-s), and log σ is s / 2.",
        "½ exp(-s) (y - μ)² + ½ s + ½ log 2π.",
    ),
    cases=(
        (torch.tensor(1.0), torch.tensor(0.5), torch.tensor(2.5)),
        (torch.tensor(0.0), torch.tensor(2.0), torch.tensor(-1.0)),
        (torch.tensor([0.0, 1.0]), torch.tensor([-1.2, 3.0]), torch.tensor([0.4, 1.0])),
    ),
    tolerance=1e-5,
    mistakes=(
        Mistake(
            lambda mean, s, target: 0.5 * (target - mean) ** 2 / s + 0.5 * torch.log(s) + 0.5 * math.log(2 * math.pi),
            "You used the head's output as the variance. It is the log-variance: the variance is its exponential.",
        ),
        Mistake(
            lambda mean, s, target: 0.5 * torch.exp(s) * (target - mean) ** 2 + 0.5 * s + 0.5 * math.log(2 * math.pi),
            "The sign in the exponent: the error is divided by σ² = exp(s), so it is multiplied by exp(-s).",
        ),
        Mistake(
            lambda mean, s, target: 0.5 * torch.exp(-2 * s) * (target - mean) ** 2 + s + 0.5 * math.log(2 * math.pi),
            "You read s as log σ. It is log σ², so σ² = exp(s) and log σ = s / 2.",
        ),
        Mistake(
            lambda mean, s, target: 0.5 * torch.exp(-s) * (target - mean) ** 2 + s + 0.5 * math.log(2 * math.pi),
            "The ½ before s is missing: minus the log of 1/σ is log σ, which is half of log σ².",
        ),
        Mistake(
            lambda mean, s, target: torch.exp(-s) * (target - mean) ** 2 + 0.5 * s + 0.5 * math.log(2 * math.pi),
            "The ½ before the squared error is missing. Without it the loss learns twice the variance.",
        ),
        Mistake(
            lambda mean, s, target: 0.5 * torch.exp(-s) * (target - mean) ** 2 + 0.5 * math.log(2 * math.pi),
            "Nothing makes noise costly: this loss falls for ever as s grows. Where did log σ go?",
        ),
        Mistake(
            lambda mean, s, target: 0.5 * torch.exp(-s) * (target - mean) ** 2 + 0.5 * s,
            "Only the constant ½ log 2π is missing. Gradients do not need it; a likelihood in nats does.",
        ),
    ),
)


exercise_3 = Exercise(
    name="kinds_of_uncertainty.exercise_3",
    title="Design a committee",
    answer=0.1100279,
    explanation="All doubt is log 2. At p = 0.110 each network's own entropy is half of that. The rest is their disagreement.",
    hints=(
        "All doubt is the entropy of the mean, fifty-fifty: log 2. Both networks have the same entropy. How large must it be?",
        "Solve -p log p - (1 - p) log(1 - p) = ½ log 2, by trying a few values or with `scipy.optimize.brentq`.",
        "At p = 0.1 the noise is 0.325 nats, a little less than the 0.347 that is wanted.",
    ),
    tolerance=5e-3,
    mistakes=(
        Mistake(0.25, "Entropy is no straight line: at p = 0.25 it is still 0.56 nats, far more than half of log 2."),
        Mistake(0.5, "Then both networks say fifty-fifty: all the doubt is noise, and they agree."),
        Mistake(0.0, "Then each network is certain: all the doubt is ignorance."),
        Mistake(0.146447, "You halved the variance p(1 - p). In nats the noise is an entropy."),
        Mistake(0.889972, "That is the other network. The question asks for the p below one half."),
        Mistake(0.1, "Close. Two digits are asked for: at 0.10 the noise is 0.325 nats, and half of log 2 is 0.347."),
    ),
)


def noisy_log_prob(shaken_T_C, label):
    return torch.logsumexp(shaken_T_C.log_softmax(dim=-1)[:, label], dim=0) - math.log(len(shaken_T_C))


exercise_4 = Exercise(
    name="kinds_of_uncertainty.exercise_4",
    title="The likelihood of a label under noisy logits",
    answer=noisy_log_prob,
    explanation="Softmax each draw, average the probabilities, take the logarithm last, and do it all in log space.",
    hints=(
        "Each row of `shaken_T_C` is one draw of the logits. `log_softmax(dim=-1)` makes log-probabilities of it.",
        "The label's probability is the mean over the draws of its probability. `torch.logsumexp` adds in log space.",
        "A mean is a sum divided by T; in log space, subtract log T.",
    ),
    cases=(
        (torch.tensor([[2.0, 0.0, -1.0], [-1.0, 3.0, 0.0], [0.5, 0.5, 0.5]]), 0),
        (torch.tensor([[4.0, -4.0], [-4.0, 4.0]]), 1),
        (torch.tensor([[800.0, 0.0], [700.0, 0.0]]), 1),
    ),
    tolerance=1e-5,
    mistakes=(
        Mistake(
            lambda z_T_C, label: z_T_C.log_softmax(dim=-1)[:, label].mean(),
            "You averaged the logarithms. By Jensen's inequality that is never larger, and noise then never pays.",
        ),
        Mistake(
            lambda z_T_C, label: z_T_C.mean(dim=0).log_softmax(dim=-1)[label],
            "You averaged the logits, where the noise cancels. Softmax first, then average.",
        ),
        Mistake(
            lambda z_T_C, label: torch.logsumexp(z_T_C.log_softmax(dim=-1)[:, label], dim=0),
            "This is the sum over the draws, and can exceed log 1. Subtract log T to make it a mean.",
        ),
        Mistake(
            lambda z_T_C, label: -noisy_log_prob(z_T_C, label),
            "That is the loss. The logarithm itself is asked for, without the minus.",
        ),
        Mistake(
            lambda z_T_C, label: z_T_C.softmax(dim=-1)[:, label].mean(), "A probability. The loss needs its logarithm."
        ),
        Mistake(
            lambda z_T_C, label: z_T_C.softmax(dim=-1)[:, label].mean().log(),
            "Right in exact arithmetic, but the third case underflows to log 0. Stay in log space: `torch.logsumexp`.",
        ),
    ),
)

exercise_5 = Exercise(
    name="kinds_of_uncertainty.exercise_5",
    title="Four times the soundings",
    answer=math.sqrt(0.3**2 + 0.04 / 4),
    explanation="Noise 0.09 m² stays, ignorance falls from 0.04 to 0.01 m²: the root of 0.10 m² is 0.316 m, down from 0.361 m.",
    hints=(
        "Work in variances: the noise is 0.3² = 0.09 m², the ignorance 0.04 m².",
        "Two doublings halve one of the two parts twice. Take the root at the end.",
    ),
    tolerance=1e-3,
    mistakes=(
        Mistake(
            math.sqrt(0.09 / 4 + 0.04 / 4), "You let the noise shrink too. Each new sounding shakes like the old ones."
        ),
        Mistake(math.sqrt(0.09 + 0.04), "That is today's standard deviation. The ignorance has yet to shrink."),
        Mistake(0.3, "That is the noise alone. After 200 soundings some ignorance is still left."),
        Mistake(0.32, "Nearly. Two digits hide how much ignorance is left: give three."),
        Mistake(math.sqrt(0.09 + 0.04 / 2), "Four times the data is two doublings: the ignorance is halved twice."),
        Mistake(
            math.sqrt(0.09 + 0.04 / 16), "You divided by 16. Variance falls as 1/N: four times the data divide it by 4."
        ),
        Mistake(0.3 + math.sqrt(0.04 / 4), "You added standard deviations. Add the variances, then take the root."),
        Mistake(0.09 + 0.04 / 4, "This is the variance, in square metres. The question asks for metres."),
        Mistake(math.sqrt(0.3 + 0.04 / 4), "0.3 m is a standard deviation. Square it before you add it to a variance."),
        Mistake(math.sqrt(0.09 / 4 + 0.04), "The wrong part shrinks: more soundings take away ignorance, not noise."),
    ),
)
