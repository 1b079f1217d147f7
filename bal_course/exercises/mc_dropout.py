"""Exercises of the notebook `mc_dropout`."""

import math

import torch

from bal_course.exercises.core import Exercise, Mistake

CHAPTER = ("06", "What does dropout left on at test time tell you?")

prediction_1 = Exercise(
    name="mc_dropout.prediction_1",
    title="Sixteen times the data",
    question="We train again on 1,280 points in place of 80. Among the data, how wide does dropout's band for the function "
    "become?",
    choices={"A": "About a quarter as wide", "B": "About half as wide", "C": "About as wide as before"},
    answer="C",
    explanation="The masks are as random with 1,280 points as with 80. The width is set mostly by `drop`, which you chose.",
    hints=(
        "The standard error of a mean of N numbers is σ/√N. Is there anything like N in a dropout mask?",
        "A mask drops a unit with the same probability in each pass, whatever the network was trained on.",
    ),
    mistakes=(
        Mistake("A", "That is 1/√16, as for the error of a mean. Ask yourself which step of dropout would know N."),
        Mistake(
            "B",
            "A posterior over functions may narrow so slowly. Ask yourself which step of dropout would know N at all.",
        ),
    ),
)

prediction_2 = Exercise(
    name="mc_dropout.prediction_2",
    title="A thousand passes against a straight line",
    question="Compared with a straight line by least squares, how large is the root mean squared error of the network with "
    "dropout left on, on average over the twenty splits?",
    choices={"A": "More than 5 % smaller", "B": "Within 5 % of the line's", "C": "More than 5 % larger"},
    answer="B",
    explanation="The network can bend, but on so few patients and so much noise it finds no bend that pays.",
    hints=(
        "A ReLU network contains the straight lines. What has to be in the data for it to do better than they do?",
        "With dropout and weight decay the network does not follow every measurement. Would it do much worse?",
    ),
    mistakes=(
        Mistake("A", "It can bend, but a bend has to be found in about four hundred noisy patients."),
        Mistake("C", "It has many more weights, but dropout and weight decay keep it from following the noise."),
    ),
)


prediction_3 = Exercise(
    name="mc_dropout.prediction_3",
    title="The truth in the gap",
    question="We repeat this on ten data sets. On how many does the truth stay, everywhere in the gap, within two of "
    "dropout's own standard deviations?",
    choices={"A": "Eight or more", "B": "Three to seven", "C": "Two or fewer"},
    answer="C",
    explanation="On two at most. On most data sets it is off by more than four deviations somewhere in the gap.",
    hints=(
        "How far off was the curve of the first figure at its worst place, and how far apart were the passes there?",
        "The masks are drawn in the same way for every input. What could tell them that they are in the gap?",
    ),
    mistakes=(
        Mistake("A", "That would be an honest band. The masks do not know where the data are missing."),
        Mistake("B", "Fewer. The band grows a little in the gap, and the error grows much more."),
    ),
)


def predictive_std(outputs_N_K, noise_precision):
    return (1 / noise_precision + outputs_N_K.var(dim=1, correction=0)).sqrt()


exercise_1 = Exercise(
    name="mc_dropout.exercise_1",
    title="The standard deviation of a new target",
    answer=predictive_std,
    explanation="Variances add: τ⁻¹ for the noise, the variance of the passes for the function. The root comes last.",
    hints=(
        "There are two reasons to be unsure: the function, and the noise around it. Each has a variance.",
        "τ is a precision. The variance of the noise is 1/τ.",
        "Add the two variances, then take the square root. Divide by K in the variance: `correction=0`.",
    ),
    cases=(
        (torch.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 3.0]]), 25.0),
        (torch.tensor([[1.0, 1.0, 1.0, 1.0]]), 4.0),
        (torch.tensor([[-2.0, 0.5]]), 0.5),
    ),
    tolerance=1e-5,
    mistakes=(
        Mistake(
            lambda f_N_K, tau: f_N_K.std(dim=1, correction=0) + 1 / tau,
            "You added τ⁻¹, a variance, to a standard deviation. It belongs inside the square root.",
        ),
        Mistake(
            lambda f_N_K, tau: f_N_K.std(dim=1, correction=0) + tau,
            "You added the precision τ to the standard deviation. Its inverse is a variance, and belongs inside the root.",
        ),
        Mistake(
            lambda f_N_K, tau: (f_N_K.var(dim=1, correction=0) + tau).sqrt(),
            "τ is a precision: large where noise is small. The variance of the noise is 1/τ.",
        ),
        Mistake(
            lambda f_N_K, tau: 1 / tau + f_N_K.var(dim=1, correction=0),
            "This is the variance. As a standard deviation it would be in the wrong units: take the root.",
        ),
        Mistake(
            lambda f_N_K, tau: f_N_K.std(dim=1, correction=0) + tau**-0.5,
            "You added two standard deviations. Variances add; take one root at the end.",
        ),
        Mistake(
            lambda f_N_K, tau: f_N_K.std(dim=1, correction=0),
            "This is the doubt about the function alone. A new target also carries noise.",
        ),
        Mistake(
            lambda f_N_K, tau: (1 / tau + f_N_K.var(dim=1)).sqrt(),
            "`.var()` divides by K - 1. The formula of the paper divides by K: `correction=0`.",
        ),
    ),
)


def normal_log_density(target, mean, variance):
    return -0.5 * ((target - mean) ** 2 / variance + torch.log(variance) + math.log(2 * math.pi))


def log_predictive(outputs_K, target, noise_precision):
    log_density_K = 0.5 * math.log(noise_precision / (2 * math.pi)) - 0.5 * noise_precision * (target - outputs_K) ** 2
    return torch.logsumexp(log_density_K, dim=0) - math.log(len(outputs_K))


exercise_2 = Exercise(
    name="mc_dropout.exercise_2",
    title="The log-likelihood of a target under K passes",
    answer=log_predictive,
    explanation="K normal densities, averaged as densities, and the logarithm last, all of it in log space.",
    hints=(
        "Each pass says N(f_k, 1/τ). Write the logarithm of its density at the target: there are three terms.",
        "The prediction is the mean of the K densities. In log space: `torch.logsumexp`, minus log K.",
        "-½ τ (y - f)² + ½ log τ - ½ log 2π is the log density of one pass.",
    ),
    cases=(
        (torch.tensor([1.0, 2.0, 3.0]), 2.5, 4.0),
        (torch.tensor([0.0, 0.1]), 0.2, 25.0),
        (torch.tensor([0.0, 5.0]), 60.0, 4.0),
    ),
    tolerance=1e-5,
    mistakes=(
        Mistake(
            lambda f_K, y, tau: normal_log_density(y, f_K, torch.tensor(1 / tau)).mean(),
            "You averaged the logarithms. The prediction is a mixture: average the densities, take the logarithm last.",
        ),
        Mistake(
            lambda f_K, y, tau: torch.logsumexp(normal_log_density(y, f_K, torch.tensor(1 / tau)), dim=0),
            "This is the sum of the densities. Subtract log K to make it their mean.",
        ),
        Mistake(
            lambda f_K, y, tau: normal_log_density(y, f_K.mean(), 1 / tau + f_K.var(correction=0)),
            "One normal with the mixture's mean and variance is another distribution. Average the K densities themselves.",
        ),
        Mistake(
            lambda f_K, y, tau: normal_log_density(y, f_K.mean(), torch.tensor(1 / tau)),
            "You averaged the outputs first, and the doubt about the function is gone. Average the densities.",
        ),
        Mistake(
            lambda f_K, y, tau: torch.logsumexp(-0.5 * tau * (y - f_K) ** 2, dim=0) - math.log(len(f_K)),
            "The constants are missing: ½ log τ - ½ log 2π. Without the first, more noise would never cost anything.",
        ),
        Mistake(
            lambda f_K, y, tau: (
                torch.logsumexp(normal_log_density(y, f_K, torch.tensor(tau)), dim=0) - math.log(len(f_K))
            ),
            "You used τ as the variance. It is the precision: multiply the squared error by it.",
        ),
        Mistake(
            lambda f_K, y, tau: (
                torch.logsumexp(normal_log_density(y, f_K, torch.tensor(tau**-2.0)), dim=0) - math.log(len(f_K))
            ),
            "You used 1/τ as the standard deviation. It is the variance; the standard deviation is 1/√τ.",
        ),
        Mistake(
            lambda f_K, y, tau: normal_log_density(y, f_K, torch.tensor(1 / tau)).exp().mean().log(),
            "Right on paper, but the third case underflows to log 0. Stay in log space: `torch.logsumexp`.",
        ),
    ),
)


def class_probabilities(logits_K_C):
    return logits_K_C.softmax(dim=-1).mean(dim=0)


exercise_3 = Exercise(
    name="mc_dropout.exercise_3",
    title="What K passes predict about a class",
    answer=class_probabilities,
    explanation="Each pass makes its own probabilities; the prediction is their mean.",
    hints=(
        "Each row of the logits is the opinion of one network. What does that network predict?",
        "Softmax along the classes first, then the mean over the passes.",
    ),
    cases=(
        (torch.tensor([[6.0, 0.0, 0.0], [0.0, 2.0, 0.0]]),),
        (torch.tensor([[1.0, 0.5], [4.0, -4.0], [-1.0, 0.0]]),),
    ),
    tolerance=1e-5,
    mistakes=(
        Mistake(
            lambda logits_K_C: logits_K_C.mean(dim=0).softmax(dim=-1),
            "You averaged the logits: one loud pass then drowns the others. Softmax first, average the probabilities.",
        ),
        Mistake(
            lambda logits_K_C: logits_K_C.log_softmax(dim=-1).mean(dim=0).exp(),
            "You averaged log-probabilities, a geometric mean: the result does not even sum to one.",
        ),
        Mistake(
            lambda logits_K_C: logits_K_C.softmax(dim=0).mean(dim=0),
            "Your softmax runs over the passes. It belongs along the classes, `dim=-1`.",
        ),
        Mistake(
            lambda logits_K_C: logits_K_C.softmax(dim=-1).sum(dim=0),
            "This is the sum over the passes. Divide by their number.",
        ),
        Mistake(
            lambda z_K_C: torch.nn.functional.one_hot(z_K_C.argmax(dim=-1), z_K_C.shape[-1]).float().mean(dim=0),
            "These are votes. A pass that is sure and one that barely leans count the same; average the probabilities.",
        ),
    ),
)


def masked(hidden_N_H, num_passes, drop, seed):
    generator = torch.Generator().manual_seed(seed)
    kept_K_H = torch.rand(num_passes, hidden_N_H.shape[1], generator=generator) >= drop
    return hidden_N_H[:, None] * kept_K_H / (1 - drop)


def fresh(h_N_H, K, drop, seed):
    kept_N_K_H = torch.rand(len(h_N_H), K, h_N_H.shape[1], generator=torch.Generator().manual_seed(seed)) >= drop
    return h_N_H[:, None] * kept_N_K_H / (1 - drop)


exercise_4 = Exercise(
    name="mc_dropout.exercise_4",
    title="One mask a pass, for every input",
    answer=masked,
    explanation="A mask has no input index. Pass k is then one function, and two inputs can be compared under it.",
    hints=(
        "A mask is a number for each pass and each hidden unit. Which of the three dimensions does it lack?",
        "`hidden_N_H[:, None]` has shape (N, 1, H); a mask of shape (K, H) multiplies it to (N, K, H).",
        "Keep where the uniform number is at least drop, and divide by 1 - drop, so that the mean stays.",
    ),
    cases=((torch.tensor([[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]), 3, 0.3, 0), (torch.ones(3, 6), 5, 0.8, 1)),
    tolerance=1e-5,
    mistakes=(
        Mistake(
            fresh,
            "You drew fresh masks for every input. Then pass k is no one function, and joint quantities fall apart.",
        ),
        Mistake(
            lambda h_N_H, K, drop, seed: masked(h_N_H, K, drop, seed) * (1 - drop),
            "Divide by 1 - drop. Without it the mean shrinks, and training expected that it does not.",
        ),
        Mistake(
            lambda h_N_H, K, drop, seed: h_N_H[:, None] / (1 - drop) - masked(h_N_H, K, drop, seed),
            "You kept what should be dropped. Keep where the number is at least `drop`.",
        ),
        Mistake(
            lambda h_N_H, K, drop, seed: masked(h_N_H, K, drop, seed) * (1 - drop) / drop,
            "You divided by `drop`. A unit is kept with probability 1 - drop; divide by that.",
        ),
    ),
)

exercise_5 = Exercise(
    name="mc_dropout.exercise_5",
    title="What the trunk saves",
    answer=50 * (9 + 1) / (9 + 50 * 1),
    explanation="500 million multiplications for fifty whole passes, 59 million with the trunk once: 8.5 times fewer.",
    hints=(
        "Count whole passes first: 50 times everything.",
        "Then the trunk once and the tail 50 times. Divide.",
    ),
    tolerance=1e-2,
    mistakes=(
        Mistake(50.0, "Fifty would be right if the tail cost nothing. It has to run in every pass."),
        Mistake(10.0, "That is the limit for very many passes. With fifty the one run of the trunk still counts."),
        Mistake(50 * 9 - 9, "You took a difference, in millions. The question asks for a ratio."),
        Mistake(500 / (9 + 50 * 10), "You ran the whole network fifty times and the trunk once more."),
        Mistake(
            (9 + 50) / 500, "This is the share that remains. The question asks how many times fewer: turn it over."
        ),
    ),
)
