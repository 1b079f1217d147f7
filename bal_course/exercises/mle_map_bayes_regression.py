"""Exercises of the notebook `mle_map_bayes_regression`."""

import numpy as np

from bal_course.exercises.core import Exercise, Mistake

CHAPTER = ("01", "What does one best line hide?")

FEATURES_D = np.array([1.0, 0.8])
COVARIANCE_D_D = np.array([[0.04, 0.03], [0.03, 0.09]])
PRECISION_D_D = np.array([[9.0, -2.0], [-2.0, 5.0]])
FEATURES_N_D = np.array([[1.0, -0.5], [1.0, 0.1], [1.0, 0.7]])
TARGETS_N = np.array([-0.6, -0.2, 0.3])
STICK_N = np.array([-0.60, -0.45, -0.30, -0.20, -0.05])  # the trials of the lesson
CAR_PHI_N_D = np.stack([np.ones(5), STICK_N], axis=1)
CAR_COVARIANCE_D_D = np.linalg.inv(4 * np.eye(2) + 25 * CAR_PHI_N_D.T @ CAR_PHI_N_D)


def ridge_strength(prior_std, noise_std):
    return (noise_std / prior_std) ** 2


def predictive_std(features_D, covariance_D_D, noise_std):
    epistemic_variance = features_D @ covariance_D_D @ features_D
    return np.sqrt(epistemic_variance + noise_std**2)


def update(mean_D, precision_D_D, features_D, target, noise_precision):
    new_precision_D_D = precision_D_D + noise_precision * np.outer(features_D, features_D)
    pull_D = precision_D_D @ mean_D + noise_precision * features_D * target
    return np.linalg.solve(new_precision_D_D, pull_D)


def log_evidence(features_N_D, targets_N, prior_std, noise_std):
    covariance_N_N = prior_std**2 * features_N_D @ features_N_D.T + noise_std**2 * np.eye(len(targets_N))
    misfit = targets_N @ np.linalg.solve(covariance_N_N, targets_N)
    log_det = np.linalg.slogdet(covariance_N_N).logabsdet
    return -0.5 * (misfit + log_det + len(targets_N) * np.log(2 * np.pi))


def prior_by_evidence(features_N_D, targets_N, alphas, noise_precision):
    scores = [log_evidence(features_N_D, targets_N, alpha**-0.5, noise_precision**-0.5) for alpha in alphas]
    return alphas[np.argmax(scores)]


def best_trial(positions_N, question, covariance_D_D, noise_std):
    question_D = np.array([1, question])
    doubts = []
    for position in positions_N:
        trial_D = np.array([1, position])
        precision_D_D = np.linalg.inv(covariance_D_D) + np.outer(trial_D, trial_D) / noise_std**2
        doubts.append(question_D @ np.linalg.inv(precision_D_D) @ question_D)
    return positions_N[np.argmin(doubts)]


def widest_band(positions_N, question, covariance_D_D, noise_std):
    features_N_2 = np.stack([np.ones(len(positions_N)), positions_N], axis=1)
    return positions_N[np.argmax(np.einsum("nd,de,ne->n", features_N_2, covariance_D_D, features_N_2))]


def most_in_common(positions_N, question, covariance_D_D, noise_std):
    features_N_2 = np.stack([np.ones(len(positions_N)), positions_N], axis=1)
    return positions_N[np.argmax(abs(features_N_2 @ covariance_D_D @ [1, question]))]


def nearest_to_question(positions_N, question, covariance_D_D, noise_std):
    return positions_N[np.argmin(abs(positions_N - question))]


prediction_1 = Exercise(
    name="mle_map_bayes_regression.prediction_1",
    title="A line nearly as good",
    answer="C",
    question="How far from the most likely line's 1.14 rad/s can such a line be *at full right*?",
    choices={"A": "about 0.1 rad/s", "B": "about 0.2 rad/s, the noise of one trial", "C": "about 0.6 rad/s"},
    explanation=(
        "Close to the trials the two lines can hardly differ, since there the data hold them. "
        "At full right nothing does: it lies almost five times as far from the middle of the trials as they reach, "
        "and a small change of slope grows with the distance."
    ),
    hints=(
        "The five trials lie within about half a unit of each other. How far away from their middle is 1?",
        "Lay a ruler over the five dots and tilt it a little. Watch its far end.",
    ),
    mistakes=(
        Mistake(
            "A", "That is how far two such lines differ in the middle of the trials. At full right the lever is longer."
        ),
        Mistake("B", "The noise of one trial says how far a dot may lie from its line, not how far the line may tilt."),
    ),
)

exercise_1 = Exercise(
    name="mle_map_bayes_regression.exercise_1",
    title="From a prior to a ridge",
    answer=ridge_strength,
    explanation="λ = α/τ, and a precision is one over a squared standard deviation, so λ = (noise_std / prior_std)².",
    hints=(
        "Write α and τ in terms of the two standard deviations first.",
        "α = 1/prior_std² and τ = 1/noise_std². Now form α/τ.",
    ),
    cases=((0.5, 0.2), (2.0, 0.2), (1.5, 3.0)),
    mistakes=(
        Mistake(
            lambda prior, noise: (prior / noise) ** 2,
            "λ is upside down. Noisy data should make you lean on the prior, so λ has to grow with the noise.",
        ),
        Mistake(lambda prior, noise: noise / prior, "You divided deviations. Precisions are one over variances."),
        Mistake(
            lambda prior, noise: prior**2 * noise**2,
            "You used the prior's variance as its precision. A wide prior is a weak one: α = 1/prior_std².",
        ),
        Mistake(
            lambda prior, noise: 1 / prior**2,
            "That is α alone. The ridge weighs the prior against the data: divide by τ = 1/noise_std².",
        ),
    ),
)

exercise_2 = Exercise(
    name="mle_map_bayes_regression.exercise_2",
    title="The width of the band",
    answer=predictive_std,
    explanation="Variances of independent parts add, φᵀSφ + σ², and the square root comes last.",
    hints=(
        "There are two independent reasons why the next measurement may miss the mean. Add their variances.",
        "φᵀSφ is `features_D @ covariance_D_D @ features_D`. The noise gives noise_std squared.",
    ),
    cases=(
        (FEATURES_D, COVARIANCE_D_D, 0.2),
        (np.array([1.0, -1.0]), COVARIANCE_D_D, 0.5),
        (FEATURES_D, np.zeros((2, 2)), 0.3),
    ),
    mistakes=(
        Mistake(
            lambda phi, S, noise: phi @ S @ phi + noise**2,
            "That is the variance. A band is drawn in the units of the measurement, so take the square root.",
        ),
        Mistake(
            lambda phi, S, noise: np.sqrt(phi @ S @ phi),
            "That is the doubt about the line alone. A new measurement also has noise: add noise_std² before the root.",
        ),
        Mistake(
            lambda phi, S, noise: np.sqrt(phi @ S @ phi) + noise,
            "Standard deviations do not add, variances do: first add, then take the root.",
        ),
        Mistake(
            lambda phi, S, noise: np.sqrt(phi @ S @ phi + noise),
            "You added the noise's standard deviation to a variance. Square it first.",
        ),
        Mistake(
            lambda phi, S, noise: noise,
            "That is the noise alone, as if the weights were known. It is the band of a point estimate.",
        ),
    ),
)

prediction_2 = Exercise(
    name="mle_map_bayes_regression.prediction_2",
    title="What the plug-in band holds",
    answer="C",
    question="What share of new trials at full right lands in the 95 % band around the most likely line?",
    choices={"A": "95 %, as promised", "B": "about 80 %", "C": "less than half"},
    explanation="45 %. The line itself misses by three times the noise there, and the band allows for the noise alone.",
    hints=(
        "How far may the most likely line be from the truth at full right? Section 2 has a picture.",
        "Its doubt at full right is 0.6 rad/s, and the band is 0.4 wide to each side.",
    ),
    mistakes=(
        Mistake("A", "So it would be if the line were known. The band has no room for the doubt about the line."),
        Mistake(
            "B", "The right direction, but at full right the line's own error is three times as large as the noise."
        ),
    ),
)

prediction_3 = Exercise(
    name="mle_map_bayes_regression.prediction_3",
    title="What one trial teaches",
    answer="B",
    question="You start from the prior, a round hill over drift and gain. "
    "What does the belief look like after this *one* trial?",
    choices={"A": "a smaller round hill", "B": "a long narrow ridge", "C": "nearly a single point"},
    explanation=(
        "One trial fixes one combination of the two weights, drift + 0.4·gain, to within the noise. "
        "Along the other direction the belief stays as wide as the prior: a ridge."
    ),
    hints=(
        "How many lines pass through one dot?",
        "Raise the gain by 0.2. By how much must the drift fall for the line still to pass through the dot at 0.4?",
    ),
    mistakes=(
        Mistake("A", "A round blob would mean that drift and gain were learned separately. One number cannot do that."),
        Mistake("C", "For a single point both weights would have to be known. One dot lies on many lines."),
    ),
)

exercise_3 = Exercise(
    name="mle_map_bayes_regression.exercise_3",
    title="Learn from one more trial",
    answer=update,
    explanation=(
        "Precisions add, and so do the pulls: the past pulls with A·m, the new trial with τφy. "
        "The new mean is where the two balance."
    ),
    hints=(
        "The new precision is the old one plus τ times the outer product of φ with itself.",
        "The new mean solves (A + τφφᵀ) m' = A m + τφy. Use `np.linalg.solve`.",
    ),
    cases=(
        (np.array([0.1, 0.4]), PRECISION_D_D, FEATURES_D, 0.9, 25.0),
        (np.array([-0.3, 0.5]), np.eye(2) * 4, np.array([1.0, -0.6]), 0.2, 2.0),
    ),
    mistakes=(
        Mistake(
            lambda m, A, phi, y, beta: update(0 * m, A, phi, y, beta),
            "The old mean is missing. What was learned before pulls too, with A·m. "
            "It drops out only at the very start, where m = 0.",
        ),
        Mistake(
            lambda m, A, phi, y, beta: update(m, np.linalg.inv(A), phi, y, beta),
            "You inverted the precision and then added. What adds is precision, not covariance.",
        ),
        Mistake(
            lambda m, A, phi, y, beta: update(m, A, phi, y, 1 / beta),
            "You weighed the trial with its noise variance. A precise trial should count for more: use τ itself.",
        ),
        Mistake(
            lambda m, A, phi, y, beta: np.linalg.solve(A + beta * np.outer(phi, phi), m + beta * phi * y),
            "The old mean must be weighed with its precision, A·m, before the new trial is added to it.",
        ),
        Mistake(
            lambda m, A, phi, y, beta: np.linalg.solve(A + np.outer(phi, phi), A @ m + beta * phi * y),
            "τ is missing from the new precision: a trial adds τφφᵀ.",
        ),
        Mistake(
            lambda m, A, phi, y, beta: np.linalg.solve(A + beta * phi @ phi, A @ m + beta * phi * y),
            "φᵀφ is one number, and was added to every entry of A. A trial adds a matrix, τφφᵀ: `np.outer`.",
        ),
    ),
)

prediction_4 = Exercise(
    name="mle_map_bayes_regression.prediction_4",
    title="Four times as many trials",
    answer="B",
    question="You have run many trials, spread over all stick positions, and now run until you have four times as many. "
    "The posterior standard deviation of the gain …",
    choices={"A": "stays where it was", "B": "falls to a half", "C": "falls to a quarter", "D": "falls to a sixteenth"},
    explanation="Precision grows in proportion to N, so the variance falls as 1/N and the standard deviation as 1/√N.",
    hints=(
        "Each trial adds the same kind of term to the precision matrix. What happens to the precision with four times as many?",
        "Four times the precision is a quarter of the variance. The question asks for a standard deviation.",
    ),
    mistakes=(
        Mistake("C", "The variance falls to a quarter. The standard deviation is its square root."),
        Mistake("A", "It does fall: every trial adds to the precision, also the hundredth."),
        Mistake(
            "D",
            "You squared where a root was needed: the variance goes to a quarter, and its root is larger than that.",
        ),
    ),
)

prediction_5 = Exercise(
    name="mle_map_bayes_regression.prediction_5",
    title="The size that the evidence chooses",
    answer="B",
    question="How many features will the evidence choose, of 1 to 14?",
    choices={"A": "three", "B": "eight", "C": "fourteen"},
    explanation=(
        "Too few bumps cannot follow the level. Too many spread the prior over so many curves that "
        "each one, the true one too, was expected less."
    ),
    hints=(
        "Fourteen features fit the readings best. Does the evidence ask how well the best weights fit?",
        "The evidence is an average over the prior. What happens to an average when most of what it averages is useless?",
    ),
    mistakes=(
        Mistake(
            "A",
            "Three features are a constant and two wide bumps. They cannot rise and fall as often as the water does.",
        ),
        Mistake("C", "That is what the training error would choose: it hardly ever gets worse with more freedom."),
    ),
)

exercise_4 = Exercise(
    name="mle_map_bayes_regression.exercise_4",
    title="The next trial, for this question",
    answer=best_trial,
    explanation=(
        "The doubt at the question falls by (φ⋆ᵀSφ)² / (φᵀSφ + σ²): what the trial and the question have in common, "
        "over how unsure the trial's own outcome is. A wide band is not enough."
    ),
    hints=(
        "A trial at φ adds τφφᵀ to the precision S⁻¹. The outcome does not matter for the covariance.",
        "For each position compute the new covariance, then φ⋆ᵀS'φ⋆ at the question; take the position where it is smallest.",
    ),
    cases=(
        (np.array([-1, -0.6, 0, 0.25]), 1.0, CAR_COVARIANCE_D_D, 0.2),
        (np.array([-1, 0.25, 0.9]), -1.0, CAR_COVARIANCE_D_D, 0.2),
        (np.array([-0.6, -0.3, 0.0]), 1.0, CAR_COVARIANCE_D_D, 0.2),
        (np.array([-1.0, 0.3, 1.0]), 0.5, COVARIANCE_D_D, 0.5),
        (np.array([-1.0, 0.0, 0.25]), 0.0, COVARIANCE_D_D, 0.1),
    ),
    mistakes=(
        Mistake(
            widest_band,
            "That is where the band is widest. A trial there teaches most about the car as a whole, "
            "but some of that is about the left side, and her question is about the right.",
        ),
        Mistake(
            most_in_common,
            "That is the largest φ⋆ᵀSφ, what a trial's outcome has in common with the line at the question. "
            "It has to be weighed against how unsure the outcome itself is: square it, and divide by φᵀSφ + σ².",
        ),
        Mistake(
            nearest_to_question,
            "That is the position nearest to the question. Try one with a list that holds a far position on the other side: "
            "a long lever can say more than a near dot.",
        ),
        Mistake(
            lambda positions_N, *others: list(positions_N).index(best_trial(positions_N, *others)),
            "That is the place in the list. Return the stick position that stands there.",
        ),
    ),
)

exercise_5 = Exercise(
    name="mle_map_bayes_regression.exercise_5",
    title="A prior chosen by the evidence",
    answer=prior_by_evidence,
    explanation=(
        "The evidence is the density of the targets with the weights averaged out, N(0, ΦΦᵀ/α + I/τ). "
        "It falls where the prior is too narrow for the data, and where it is so wide that it bets on everything."
    ),
    hints=(
        "`linear_regression.log_evidence(features_N_D, targets_N, prior_precision=…, noise_precision=…)` scores one α.",
        "Score every α of the list, and return the one with the highest score.",
    ),
    cases=(
        (FEATURES_N_D, TARGETS_N, np.array([0.01, 1, 100]), 25.0),
        (FEATURES_N_D, 4 * TARGETS_N, np.array([0.001, 0.1, 10, 1000]), 25.0),
        (FEATURES_N_D, 0.1 * TARGETS_N, np.array([0.01, 1, 100, 10_000]), 25.0),
    ),
    mistakes=(
        Mistake(
            lambda Phi, y, alphas, beta: alphas[np.argmin(alphas)],
            "That is the widest prior. It lets the most probable line fit best, but it also bets on every other line.",
        ),
        Mistake(
            lambda Phi, y, alphas, beta: alphas[np.argmin([log_evidence(Phi, y, a**-0.5, beta**-0.5) for a in alphas])],
            "That is the α of the lowest evidence. The evidence is a score: higher is better.",
        ),
        Mistake(
            lambda Phi, y, alphas, beta: alphas[np.argmax([log_evidence(Phi, y, a**0.5, beta**-0.5) for a in alphas])],
            "You used α as a variance. A precision of 100 is a narrow prior.",
        ),
        Mistake(
            lambda Phi, y, alphas, beta: np.max([log_evidence(Phi, y, a**-0.5, beta**-0.5) for a in alphas]),
            "That is the evidence itself. Return the α that reaches it.",
        ),
    ),
)

exercise_6 = Exercise(
    name="mle_map_bayes_regression.exercise_6",
    title="Which comparison is fair?",
    answer="C",
    explanation=(
        "Evidences can be compared where both models predict the same numbers in the same units, "
        "under priors that were meant. Three nats are a factor of twenty."
    ),
    hints=(
        "The evidence is a density of the targets. What happens to a density per metre when you write it per centimetre?",
        "A model that never saw the last five readings was not asked the same question.",
    ),
    mistakes=(
        Mistake("A", "Fewer readings are fewer factors below or above one. Both models must predict the same targets."),
        Mistake(
            "B",
            "A density per centimetre is a hundredth of one per metre, for every reading, "
            "whatever the model. Both must use the same units.",
        ),
        Mistake(
            "D",
            "The wider prior loses ln 100 for each weight, and predicts just the same. "
            "Nobody meant a prior of ten thousand metres.",
        ),
    ),
)
