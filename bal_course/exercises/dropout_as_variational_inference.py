"""Exercises of the notebook `dropout_as_variational_inference`."""

import math

import torch

from bal_course.exercises.core import Exercise, Mistake

CHAPTER = ("05", "Why is dropout Bayesian?")

prediction_1 = Exercise(
    name="dropout_as_variational_inference.prediction_1",
    title="Three programs",
    question="Three hundred steps, the same start, the same masks, σ = 0.0001 for Vera. Where do the three end?",
    choices={
        "A": "at the same weights, all three, up to rounding",
        "B": "Ada and Thomas at the same weights; Vera further away than a hundred times σ",
        "C": "Ada and Thomas at the same weights; Vera within a few σ of them",
        "D": "at three different places",
    },
    answer="B",
    explanation="On the same masks the objectives of Ada and Thomas differ by a constant and a factor, so every step is the "
    "same step. One step from the steep bend near zero throws a row of Vera's by a hundred σ or more.",
    hints=(
        "What do the objectives of Ada and Thomas differ by? A constant moves no gradient.",
        "How steep is the bend of the exact divergence near zero, if σ is tiny? And may a row come there during training?",
    ),
    mistakes=(
        Mistake("A", "That would need a blur and an overlap that change nothing. How steep is the bend at zero?"),
        Mistake("C", "The blur alone would do that. But the bend near zero is steep: half a nat within a few σ."),
        Mistake("D", "Minus the ELBO contains an error too, under the name of log-likelihood. What else does it hold?"),
    ),
)

prediction_2 = Exercise(
    name="dropout_as_variational_inference.prediction_2",
    title="Which estimator scatters more",
    question="Both estimators cost forty forward passes. Which scatters more?",
    choices={
        "A": "one mask for each point",
        "B": "one mask, shared by all forty points",
        "C": "they scatter alike, since each term has the same distribution in both",
    },
    answer="B",
    explanation="With one mask all terms go up and down together, and a sum of such terms scatters more.",
    hints=(
        "Throw forty dice and add them up. Or throw one die and multiply by forty. Which scatters more?",
        "A mask that removes an important unit: is it bad for one point, or for all of its neighbours too?",
    ),
    mistakes=(
        Mistake("A", "Forty different networks look messy, but forty independent errors largely cancel in the sum."),
        Mistake("C", "Each term does scatter alike. The variance of a sum also counts how the terms vary together."),
    ),
)

prediction_3 = Exercise(
    name="dropout_as_variational_inference.prediction_3",
    title="Ten copies of the data",
    question="Train again on the ten copies, with the same dropout and the weight decay for N = 400. What does the spread of "
    "dropout do?",
    choices={"A": "it shrinks about as much", "B": "it shrinks, but less", "C": "it stays"},
    answer="C",
    explanation="Ten copies multiply the misfit and the scatter of the masks in the loss alike. So m hardly moves, and with "
    "keep fixed the spread of q follows m.",
    hints=(
        "q has two bumps for each row, one at zero and one at m. What can more data change about it?",
        "More data pin down m. The spread of q comes from the distance between the bumps, which is the length of m.",
    ),
    mistakes=(
        Mistake(
            "A", "A posterior would. But q may only move its bumps, and their distance is the size of the weights."
        ),
        Mistake("B", "For that m would have to shrink. But ten copies multiply misfit and scatter in the loss alike."),
    ),
)


def mask_variance(hidden_H, weights_H_O, drop):
    return drop / (1 - drop) * (hidden_H**2 @ weights_H_O**2)


HIDDEN = torch.tensor([1.0, 2.0, 0.5])
WEIGHTS = torch.tensor([[0.5, -1.0], [2.0, 0.3], [-0.7, 1.1]])

exercise_1 = Exercise(
    name="dropout_as_variational_inference.exercise_1",
    title="How much the masks shake a layer",
    answer=mask_variance,
    explanation="A unit contributes h·w·z/keep. z has variance keep·drop, units fall independently, so variances add: "
    "Σ h²w² · drop/keep.",
    hints=(
        "One output is Σ h w z / keep, with an independent coin z for each unit. Variances of independent terms add.",
        "A coin that is 1 with probability keep has variance keep·drop. What does the division by keep do to it?",
    ),
    cases=((HIDDEN, WEIGHTS, 0.2), (-HIDDEN, WEIGHTS, 0.6), (HIDDEN[:1], WEIGHTS[:1], 0.1)),
    tolerance=1e-5,
    mistakes=(
        Mistake(
            lambda h, w, drop: drop * (1 - drop) * (h**2 @ w**2),
            "This is right for the paper's M. PyTorch divides what it keeps by keep, and a variance by its square.",
        ),
        Mistake(
            lambda h, w, drop: (drop / (1 - drop) * (h**2 @ w**2)).sqrt(),
            "This is the standard deviation. The variance was asked for.",
        ),
        Mistake(
            lambda h, w, drop: drop / (1 - drop) * (h @ w) ** 2,
            "That is one coin for all units together. Each unit has its own, so squares are summed, not a sum squared.",
        ),
        Mistake(
            lambda h, w, drop: drop / (1 - drop) * (h @ w**2),
            "The units' own values are squared as well: a unit of size 2 shakes four times as much.",
        ),
        Mistake(
            lambda h, w, drop: (1 - drop) / drop * (h**2 @ w**2),
            "Upside down: with nothing dropped nothing may shake.",
        ),
        Mistake(
            lambda h, w, drop: h**2 @ w**2 / (1 - drop),
            "This is the mean square of the terms, summed. Subtract the squares of their means, (h·w)².",
        ),
    ),
)


def penalty(weights_H_O, drop, length_scale):
    return length_scale**2 / (2 * (1 - drop)) * (weights_H_O**2).sum()


exercise_2 = Exercise(
    name="dropout_as_variational_inference.exercise_2",
    title="The penalty, from PyTorch's weights",
    answer=penalty,
    explanation="keep/2 l²|M|² with M = w/keep leaves one keep below the line.",
    hints=(
        "Start from keep/2 l² |M|², where keep = 1 - drop.",
        "PyTorch stores w, and M = w / keep. What does |M|² become?",
    ),
    cases=((WEIGHTS, 0.2, 1.0), (WEIGHTS, 0.7, 3.0), (WEIGHTS, 0.1, 0.5)),
    tolerance=1e-5,
    mistakes=(
        Mistake(
            lambda w, drop, scale: (1 - drop) * scale**2 / 2 * (w**2).sum(),
            "This is right for the paper's M. PyTorch stores w = keep·M: the probability moves below the line.",
        ),
        Mistake(
            lambda w, drop, scale: drop * scale**2 / 2 * (w**2).sum(),
            "You used drop in place of keep, and M = w. The paper's p keeps, and M = w / keep.",
        ),
        Mistake(
            lambda w, drop, scale: scale**2 / (2 * drop) * (w**2).sum(),
            "You put the drop probability below the line. The paper's p keeps: 1 - drop belongs there.",
        ),
        Mistake(
            lambda w, drop, scale: scale**2 / (2 * (1 - drop) ** 2) * (w**2).sum(),
            "You divided by keep twice. |M|² brings 1/keep², but the penalty has a factor keep of its own.",
        ),
        Mistake(
            lambda w, drop, scale: scale**2 / (1 - drop) * (w**2).sum(),
            "The ½ of the Gaussian prior is missing: -log N(w; 0, 1/l²) is ½ l² w² and a constant.",
        ),
        Mistake(
            lambda w, drop, scale: scale / (2 * (1 - drop)) * (w**2).sum(),
            "l is a length-scale: the prior's precision is l².",
        ),
        Mistake(
            lambda w, drop, scale: (w**2).sum() / (2 * (1 - drop) * scale**2),
            "l² is the prior's precision, not its variance. A large l means a strong pull.",
        ),
    ),
)


def decay_later(weight_decay, num_before, num_after, drop_before, drop_after):
    return weight_decay * num_before * (1 - drop_before) / (num_after * (1 - drop_after))


exercise_3 = Exercise(
    name="dropout_as_variational_inference.exercise_3",
    title="More labels, the same prior",
    answer=decay_later,
    explanation="weight_decay = l²/(N·keep·…): for one and the same l its product with N·keep stays what it was.",
    hints=(
        "Which of the quantities in the table belong to the prior, and which to the data and to the method?",
        "The prior is l alone. Solve the table's line for l² and ask what must stay the same.",
    ),
    cases=((1e-3, 100, 1000, 0.5, 0.5), (2e-4, 50, 80, 0.1, 0.4), (0.01, 20, 20, 0.6, 0.2)),
    tolerance=1e-6,
    mistakes=(
        Mistake(
            lambda decay, before, after, drop_before, drop_after: decay,
            "A decay that stays while data arrive is a prior that grows with them.",
        ),
        Mistake(
            lambda decay, before, after, drop_before, drop_after: decay * before / after,
            "The drop probability has changed too, and PyTorch's w is keep·M: keep stands below the line.",
        ),
        Mistake(
            lambda decay, before, after, drop_before, drop_after: (
                decay * after * (1 - drop_after) / (before * (1 - drop_before))
            ),
            "Upside down. The loss is a mean over the data, so with more of them the prior counts less in it.",
        ),
        Mistake(
            lambda decay, before, after, drop_before, drop_after: (
                decay * before * (1 - drop_after) / (after * (1 - drop_before))
            ),
            "keep is above the line, as it is for the paper's M. PyTorch stores w = keep·M.",
        ),
        Mistake(
            lambda decay, before, after, drop_before, drop_after: decay * before * drop_before / (after * drop_after),
            "You put drop in place of keep. The paper's p keeps, PyTorch's drops.",
        ),
    ),
)

exercise_4 = Exercise(
    name="dropout_as_variational_inference.exercise_4",
    title="The decay for a colleague",
    answer=2 * 3**2 / (2000 * 0.9 * 4),
    explanation="2 l² / (N keep τ) = 2·9 / (2000 · 0.9 · 4) = 0.0025, with τ = 1/0.5² = 4 and keep = 0.9.",
    hints=(
        "`F.mse_loss` is the last row of the table.",
        "τ is the precision of the noise, one over its variance. keep = 1 - drop.",
        "`weight_decay(length_scale=3, num_data=2000, drop=0.1, noise_precision=4, loss='squared error')`.",
    ),
    tolerance=2e-6,
    mistakes=(
        Mistake(2 * 9 / (2000 * 0.1 * 4), "You put drop in place of keep, which is 0.9 here."),
        Mistake(9 / (2000 * 0.9 * 4), "Half of it. This goes with ½(y - f)²; `F.mse_loss` has no ½."),
        Mistake(9 / (2 * 2000 * 0.9 * 4), "A factor of 4: the optimiser's penalty has a ½, and `F.mse_loss` has none."),
        Mistake(0.9 * 9 / (2 * 2000 * 4), "This is the paper's λ, for M and ½(y - f)². An optimiser wants w's decay."),
        Mistake(
            0.9 * 9 / (2000 * 4), "This goes with M and ½(y - f)². PyTorch stores w = keep·M; `F.mse_loss` has no ½."
        ),
        Mistake(2 * 0.9 * 9 / (2000 * 4), "keep is above the line, as for M. PyTorch stores w = keep·M."),
        Mistake(2 * 9 / (0.9 * 4), "N is forgotten. The loss is a mean over the data, so the prior is divided by N."),
        Mistake(2 * 9 / (2000 * 0.9 * 0.25), "0.25 is the variance of the noise. τ is its precision, 1/0.25 = 4."),
        Mistake(2 * 9 / (2000 * 4), "keep is missing: the layer comes after a dropout layer that keeps with 0.9."),
        Mistake(2 * 9 / (2000 * 0.9), "τ is missing: `F.mse_loss` is a log-likelihood without its precision."),
        Mistake(2 * 3 / (2000 * 0.9 * 4), "You used l in place of l²."),
        Mistake(2 * 9 / (2000 * 0.9 * 2), "1/0.5 is one over the standard deviation. τ is one over the variance, 4."),
    ),
)


def masks_a_point(cost_point, cost_mask, var_data, var_mask):
    best = math.sqrt(cost_point / cost_mask * var_mask / var_data)
    low = max(math.floor(best), 1)
    return min((low, low + 1), key=lambda masks: _times(masks, cost_point, cost_mask, var_data, var_mask))


def _times(masks: int, cost_point: float, cost_mask: float, var_data: float, var_mask: float) -> float:
    """The variance for one unit of money: what a point costs, times the variance of its term."""
    return (cost_point + masks * cost_mask) * (var_data + var_mask / masks)


exercise_5 = Exercise(
    name="dropout_as_variational_inference.exercise_5",
    title="Design the batch",
    answer=masks_a_point,
    explanation="The real optimum is the root of the ratio of costs times that of variances; of its two whole neighbours the "
    "one with the smaller product wins, and one mask is the least.",
    hints=(
        "For S masks the variance is proportional to (cost_point + S · cost_mask) · (var_data + var_mask / S).",
        "S⋆ = √(cost_point / cost_mask · var_mask / var_data). Try the whole numbers below and above it, from 1 on.",
    ),
    cases=(
        (0.0, 1.0, 2.0, 3.0),
        (10.0, 1.0, 1.0, 1.9),  # with 2.0 four masks and five would be equally good
        (100.0, 0.5, 4.0, 3.0),
        (3.0, 2.0, 1.0, 0.1),
        (1.0, 1.0, 1.0, 2.1),
        (10.0, 1.0, 1.0, 2.2),
    ),
    mistakes=(
        Mistake(
            lambda cost_point, cost_mask, var_data, var_mask: 1,
            "One mask is best where every mask costs a whole pass. Here the trunk is paid once for all masks.",
        ),
        Mistake(
            lambda cost_point, cost_mask, var_data, var_mask: math.sqrt(cost_point / cost_mask * var_mask / var_data),
            "This is S⋆ itself. The exercise asks for a whole number, at least 1.",
        ),
        Mistake(
            lambda cost_point, cost_mask, var_data, var_mask: max(
                1, round(cost_point / cost_mask * var_mask / var_data)
            ),
            "The root is missing: set the derivative of the product by S to zero, and S² is left.",
        ),
        Mistake(
            lambda cost_point, cost_mask, var_data, var_mask: masks_a_point(cost_point, cost_mask, var_mask, var_data),
            "The two variances have changed places. More masks help against what differs between masks.",
        ),
        Mistake(
            lambda cost_point, cost_mask, var_data, var_mask: max(
                1, math.floor(math.sqrt(cost_point / cost_mask * var_mask / var_data))
            ),
            "You always round down. Compare the product of price and variance at both whole neighbours of S⋆.",
        ),
        Mistake(
            lambda cost_point, cost_mask, var_data, var_mask: max(
                1, round(math.sqrt(cost_point / cost_mask * var_mask / var_data))
            ),
            "Rounding to the nearest is not always the best: compare the product at both whole neighbours of S⋆.",
        ),
    ),
)
