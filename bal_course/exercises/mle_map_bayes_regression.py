"""Exercises of the notebook `mle_map_bayes_regression`."""

import math

import numpy as np

from bal_course.exercises.core import Exercise, Mistake

CHAPTER = ("01", "What does one best line hide?")

FEATURES_D = np.array([1.0, 0.8])
COVARIANCE_D_D = np.array([[0.04, 0.03], [0.03, 0.09]])
PRECISION_D_D = np.array([[9.0, -2.0], [-2.0, 5.0]])
FEATURES_N_D = np.array([[1.0, -0.5], [1.0, 0.1], [1.0, 0.7]])
TARGETS_N = np.array([-0.6, -0.2, 0.3])


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


def half_log_det(features_N_D, prior_std, noise_std):
    covariance_N_N = prior_std**2 * features_N_D @ features_N_D.T + noise_std**2 * np.eye(len(features_N_D))
    return 0.5 * np.linalg.slogdet(covariance_N_N).logabsdet


prediction_1 = Exercise(
    name="mle_map_bayes_regression.prediction_1",
    title="A line nearly as good",
    answer="C",
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
    explanation="λ = α/β, and a precision is one over a squared standard deviation, so λ = (noise_std / prior_std)².",
    hints=(
        "Write α and β in terms of the two standard deviations first.",
        "α = 1/prior_std² and β = 1/noise_std². Now form α/β.",
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
            "That is α alone. The ridge weighs the prior against the data: divide by β = 1/noise_std².",
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
    title="What one trial teaches",
    answer="B",
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
        "Precisions add, and so do the pulls: the past pulls with A·m, the new trial with βφy. "
        "The new mean is where the two balance."
    ),
    hints=(
        "The new precision is the old one plus β times the outer product of φ with itself.",
        "The new mean solves (A + βφφᵀ) m' = A m + βφy. Use `np.linalg.solve`.",
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
            "You weighed the trial with its noise variance. A precise trial should count for more: use β itself.",
        ),
        Mistake(
            lambda m, A, phi, y, beta: np.linalg.solve(A + beta * np.outer(phi, phi), m + beta * phi * y),
            "The old mean must be weighed with its precision, A·m, before the new trial is added to it.",
        ),
        Mistake(
            lambda m, A, phi, y, beta: np.linalg.solve(A + np.outer(phi, phi), A @ m + beta * phi * y),
            "β is missing from the new precision: a trial adds βφφᵀ.",
        ),
        Mistake(
            lambda m, A, phi, y, beta: np.linalg.solve(A + beta * phi @ phi, A @ m + beta * phi * y),
            "φᵀφ is one number, and was added to every entry of A. A trial adds a matrix, βφφᵀ: `np.outer`.",
        ),
    ),
)

prediction_3 = Exercise(
    name="mle_map_bayes_regression.prediction_3",
    title="Four times as many trials",
    answer="B",
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

prediction_4 = Exercise(
    name="mle_map_bayes_regression.prediction_4",
    title="The size that the evidence chooses",
    answer="B",
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
    title="The evidence without the weights",
    answer=log_evidence,
    explanation=(
        "The targets are jointly normal with covariance prior_std²·ΦΦᵀ + noise_std²·I; "
        "the evidence is the log density of that normal at the targets."
    ),
    hints=(
        "First build the N × N covariance of the targets: what the curve contributes, plus the noise on the diagonal.",
        "ln N(y | 0, C) = -½ (yᵀC⁻¹y + ln|C| + N ln 2π). Use `np.linalg.solve` and `np.linalg.slogdet`.",
    ),
    cases=((FEATURES_N_D, TARGETS_N, 0.5, 0.2), (FEATURES_N_D[:2], TARGETS_N[:2], 2.0, 0.4)),
    mistakes=(
        Mistake(
            lambda Phi, y, prior, noise: log_evidence(Phi, y, prior, noise) + half_log_det(Phi, prior, noise),
            "The determinant is missing. Without it a wider prior always looks better, "
            "because nobody pays for spreading the bets.",
        ),
        Mistake(
            lambda Phi, y, prior, noise: log_evidence(Phi, y, prior, noise) - half_log_det(Phi, prior, noise),
            "The ½ belongs to the determinant too: ln|C|, like yᵀC⁻¹y, comes with a half.",
        ),
        Mistake(
            lambda Phi, y, prior, noise: log_evidence(Phi, y, 1 / prior, noise),
            "You used the prior's precision where its variance belongs. A wide prior makes the targets vary more.",
        ),
        Mistake(
            lambda Phi, y, prior, noise: log_evidence(Phi, y, math.sqrt(prior), math.sqrt(noise)),
            "You used standard deviations as variances: square both before they enter the covariance.",
        ),
        Mistake(
            lambda Phi, y, prior, noise: log_evidence(Phi, y, prior, noise) + 0.5 * len(y) * math.log(2 * math.pi),
            "The constant -½ N ln 2π is missing. It cancels when you compare bases on the same data, but a density needs it.",
        ),
    ),
)
