"""Exercises of the notebook `in_practice`."""

import math

import torch
from torch.special import entr

from bal_course.exercises.core import Exercise, Mistake

CHAPTER = ("14", "And with my own data?")

prediction_1 = Exercise(
    name="in_practice.prediction_1",
    title="How sharp fifty images see",
    question=(
        "The true accuracy is 0.9. What is the standard error of an accuracy measured on fifty images, as a share? "
        "One point is 0.01."
    ),
    answer=(0.9 * 0.1 / 50) ** 0.5,
    explanation=(
        "The standard error is √(0.9 · 0.1 / 50) = 0.04: four points. At that height a round of labels brings less."
    ),
    hints=(
        "Each image is right with probability 0.9: a coin. What is the variance of one toss, and of the mean of fifty?",
        "One toss has the variance 0.9 · 0.1. The mean of fifty has a fiftieth of it. Take the root.",
    ),
    tolerance=0.004,
    mistakes=(
        Mistake(0.9 * 0.1 / 50, "This is the variance of the mean. The standard error is its root."),
        Mistake((0.9 * 0.1) ** 0.5, "This is the deviation of a single image. The mean of fifty is steadier by √50."),
        Mistake(4.2426, "Right if these are points. As a share, which is what the check wants, divide by a hundred."),
        Mistake(4.2, "Right in points, rounded. The check wants a share: divide by a hundred."),
        Mistake(4, "Right in whole points. The check wants a share: divide by a hundred."),
        Mistake(0.0707, "That is the largest it can be, at a true accuracy of 0.5. Put in 0.9."),
        Mistake(0.02, "One in fifty is one image, the step of the scale. Chance moves the count by two images or so."),
    ),
)

prediction_2 = Exercise(
    name="in_practice.prediction_2",
    title="What EPIG has to be told",
    question="What does EPIG have to be told about the targets, beyond what BALD needs?",
    choices={"nothing": "nothing", "images": "their images", "labels": "their labels"},
    answer="images",
    explanation="The targets enter through the networks' predictions alone: the images are needed, their labels are not.",
    hints=(
        "EPIG is about the predictions for the targets. What does a network need to make them?",
        "The label of a target is unknown, as the candidate's is. The networks give probabilities for both.",
    ),
    mistakes=(
        Mistake("labels", "If their labels were known, nothing would be left to predict. EPIG averages over them."),
        Mistake("nothing", "That is BALD, which counts what is learnt about the weights, whatever it is good for."),
    ),
)

prediction_3 = Exercise(
    name="in_practice.prediction_3",
    title="Whom the other model's errors meet",
    question=(
        "The other model errs on 15 of 100 images of the pool, mostly on hard ones. "
        "How many wrong answers are among 100 that margin asks for?"
    ),
    choices={"8": "about 8", "15": "about 15", "35": "about 35", "70": "about 70"},
    answer="35",
    explanation="Margin asks about images that are hard for our network, and many of them are hard for the other model too.",
    hints=(
        "Which images does margin ask about? Which does the other model get wrong?",
        "Both find the same images hard, though not all of them: more than the average, and far from all.",
    ),
    mistakes=(
        Mistake(
            "8", "That would be so if margin asked for easy images. It asks for those on which two classes are close."
        ),
        Mistake("15", "That holds for images drawn at random, and for errors that fall on any image alike."),
        Mistake("70", "The two models learnt from different images: what one finds hard, the other often gets right."),
    ),
)

prediction_4 = Exercise(
    name="in_practice.prediction_4",
    title="Who buys the toss-ups",
    question="Who spends the largest share of its labels on toss-ups?",
    choices={"random": "random", "margin": "margin", "entropy": "entropy", "BALD": "BALD"},
    answer="entropy",
    explanation="Entropy is highest where many sections seem possible, and of a toss-up no label removes that doubt.",
    hints=(
        "Random takes them as they come, one in five. Who is drawn to them, and who is drawn most?",
        "A tie of two favourites is enough for margin. Which score grows further when a third and a fourth class come in?",
    ),
    mistakes=(
        Mistake("random", "Random buys them as often as they occur. Others are drawn to them."),
        Mistake("margin", "Margin is drawn to them too, and to the doubt between two sections that labels do remove."),
        Mistake("BALD", "BALD subtracts the doubt that every draw of the weights keeps. Entropy and margin do not."),
    ),
)


def stop_round(values_R, patience):
    best, at = values_R[0], 0
    for number, value in enumerate(values_R):
        if value > best:
            best, at = value, number
        if number - at >= patience:
            return number
    return len(values_R) - 1


def compared_with_the_last(values_R, patience):
    for number in range(patience, len(values_R)):
        if values_R[number] <= values_R[number - 1]:
            return number
    return len(values_R) - 1


def falls_in_a_row(values_R, patience):
    fallen = 0
    for number in range(1, len(values_R)):
        fallen = fallen + 1 if values_R[number] <= values_R[number - 1] else 0
        if fallen == patience:
            return number
    return len(values_R) - 1


def never_from_anew(values_R, patience):
    missed, best = 0, values_R[0]
    for number, value in enumerate(values_R[1:], start=1):
        missed, best = (missed, value) if value > best else (missed + 1, best)
        if missed == patience:
            return number
    return len(values_R) - 1


def the_best_round(values_R, patience):
    number = stop_round(values_R, patience)
    return max(range(number + 1), key=lambda place: values_R[place])


def ties_count(values_R, patience):
    best, at = values_R[0], 0
    for number, value in enumerate(values_R):
        if value >= best:
            best, at = value, number
        if number - at >= patience:
            return number
    return len(values_R) - 1


exercise_1 = Exercise(
    name="in_practice.exercise_1",
    title="Stop after some rounds without a new best",
    answer=stop_round,
    explanation="Keep the best value and its round. Stop `patience` rounds after it, or at the end.",
    hints=(
        "Go through the values in order. Remember the best so far, and in which round it came.",
        "In each round ask: how many rounds ago was the best? If that is `patience` or more, return this round.",
        "If the loop ends without stopping, the answer is the last round, `len(values_R) - 1`.",
    ),
    cases=(
        ([0.5, 0.7, 0.8, 0.79, 0.8, 0.95], 2),
        ([0.5, 0.6, 0.7, 0.8], 2),
        ([0.9, 0.8, 0.85, 0.95, 0.7], 2),
        ([0.6, 0.7, 0.65, 0.8, 0.75, 0.7, 0.78, 0.9], 3),
        ([0.5, 0.8, 0.7, 0.6, 0.5, 0.4], 2),
        ([0.5], 2),
    ),
    mistakes=(
        Mistake(
            compared_with_the_last, "You compared each round with the one before it. Compare with the best so far."
        ),
        Mistake(
            falls_in_a_row,
            "You compared each round with the one before it. A rise that stays below the best so far is no new best.",
        ),
        Mistake(never_from_anew, "You counted all rounds without a new best. Each new best starts the count anew."),
        Mistake(
            the_best_round, "This is the round of the best value. The rule stops later: it can only know afterwards."
        ),
        Mistake(
            lambda values_R, patience: stop_round(values_R, patience + 1),
            "You wait a round too long. After `patience` rounds without a new best, this round is the answer.",
        ),
        Mistake(
            lambda values_R, patience: stop_round(values_R, patience) + 1,
            "You are a round late, at the end of the list too. The rounds are counted from 0.",
        ),
        Mistake(ties_count, "You let a tie count as an improvement. No gain is no gain: ask for strictly more."),
    ),
)


def answers_per_right_label(error, num_classes):
    agree = (1 - error) ** 2 + error**2 / (num_classes - 1)
    right = (1 - error) ** 2 + (1 - agree) * (1 - error)
    return (2 + 1 - agree) / right


def asked_twice(error, num_classes):
    """Answers for an image, where a third is bought if the first two differ."""
    return 3 - (1 - error) ** 2 - error**2 / (num_classes - 1)


exercise_2 = Exercise(
    name="in_practice.exercise_2",
    title="What a right label costs",
    answer=answers_per_right_label,
    explanation=(
        "A label is right if the first two answers are, or if they differ and the third is right. "
        "Divide the answers for an image by this probability."
    ),
    hints=(
        "Answers for a right label = answers for an image / probability that its label is right. The first has a formula.",
        "The label is right in two cases: both answers are right, or the two differ and the third is right.",
        "The third is bought with probability 1 - (1 - e)² - e²/(C - 1), and is right with probability 1 - e.",
    ),
    cases=((0.2, 10), (0.5, 2), (0.0, 10), (0.3, 3), (0.9, 10)),
    mistakes=(
        Mistake(asked_twice, "These are the answers for an image. Not every image gets a right label."),
        Mistake(lambda error, num_classes: 1 / (1 - error), "That is the price of asking once about each image."),
        Mistake(
            lambda error, num_classes: asked_twice(error, num_classes) / (1 - error),
            "You took a label for right as often as a single answer is. Two answers and a third are right more often.",
        ),
        Mistake(
            lambda error, num_classes: asked_twice(error, num_classes) / (1 - error) ** 2,
            "Both answers right is one way to a right label. The other: they differ, and the third is right.",
        ),
        Mistake(
            lambda error, num_classes: asked_twice(error, num_classes) / (1 - error**2 / (num_classes - 1)),
            "Where the two differ the third counts, and it may be wrong too.",
        ),
        Mistake(
            lambda error, num_classes: (
                asked_twice(error, num_classes) ** 2 / answers_per_right_label(error, num_classes)
            ),
            "You multiplied by the probability that a label is right. With fewer right labels each costs more: divide.",
        ),
        Mistake(
            lambda error, num_classes: (2 + 2 * error * (1 - error)) / ((1 - error) ** 2 * (1 + 2 * error)),
            "Two wrong answers can differ too: then a third is bought as well, and may be right.",
        ),
    ),
)


def information_about(probs_K_C, target_probs_K_C):
    joint_C_C = probs_K_C.T @ target_probs_K_C / len(probs_K_C)
    apart = entr(probs_K_C.mean(dim=0)).sum() + entr(target_probs_K_C.mean(dim=0)).sum()
    return apart - entr(joint_C_C).sum()


def independent(probs_K_C, target_probs_K_C):
    joint_C_C = probs_K_C.mean(dim=0)[:, None] * target_probs_K_C.mean(dim=0)
    apart = entr(probs_K_C.mean(dim=0)).sum() + entr(target_probs_K_C.mean(dim=0)).sum()
    return apart - entr(joint_C_C).sum()


def bald(probs_K_C):
    return entr(probs_K_C.mean(dim=0)).sum() - entr(probs_K_C).sum(dim=-1).mean()


exercise_3 = Exercise(
    name="in_practice.exercise_3",
    title="What one label says about another",
    answer=information_about,
    explanation="The labels are independent given a network, and dependent once the networks are averaged.",
    hints=(
        "I[y; y'] = H[y] + H[y'] - H[y, y']. Three entropies, and the first two are those of the averaged predictions.",
        "Given network k the pair (y, y') has the probability p_k(y) p_k(y'). Average that over k, not its factors.",
        "`probs_K_C.T @ target_probs_K_C / K` is the C × C table of the pair.",
    ),
    cases=(
        (torch.tensor([[0.9, 0.1], [0.1, 0.9]]), torch.tensor([[0.8, 0.2], [0.3, 0.7]])),
        (torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])),
        (torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.2, 0.7]]), torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])),
    ),
    tolerance=1e-5,
    mistakes=(
        Mistake(
            independent,
            "You averaged each prediction first and multiplied then. That makes any two labels independent.",
        ),
        Mistake(
            lambda probs_K_C, target_probs_K_C: bald(probs_K_C),
            "This is BALD: it says how much is learnt about the networks, and the target has no part in it.",
        ),
        Mistake(
            lambda probs_K_C, target_probs_K_C: -information_about(probs_K_C, target_probs_K_C),
            "The sign is turned: information is never negative. Take the entropy of the pair off the sum of the two.",
        ),
        Mistake(
            lambda probs_K_C, target_probs_K_C: entr(probs_K_C.T @ target_probs_K_C / len(probs_K_C)).sum(),
            "This is the entropy of the pair. Subtract it from the sum of the two labels' own entropies.",
        ),
        Mistake(
            lambda probs_K_C, target_probs_K_C: information_about(probs_K_C, target_probs_K_C) / math.log(2),
            "These are bits. Take the natural logarithm, for nats.",
        ),
    ),
)


def images_needed(accuracy, gain):
    return math.ceil(round(accuracy * (1 - accuracy) / (gain / 2) ** 2, 9))  # 900.0000000000002 means 900


exercise_4 = Exercise(
    name="in_practice.exercise_4",
    title="How many images to hold out",
    answer=images_needed,
    explanation=(
        "The standard error √(a(1 − a)/n) is at most gain/2 from n = a(1 − a)/(gain/2)² on, rounded up. (The difference of "
        "two rounds on the same images has about √(d/n), where d is the share that only one of them gets right.)"
    ),
    hints=(
        "Write down the standard error of an accuracy `a` measured on n images. You had it for n = 50.",
        "Set √(a(1 − a)/n) = gain/2 and solve for n. A part of an image cannot be held out: round up.",
    ),
    # none of these is a whole number before it is rounded up: rounding errors must not decide
    cases=((0.9, 0.017), (0.9, 0.07), (0.5, 0.11), (0.97, 0.013), (0.8, 0.03)),
    mistakes=(
        Mistake(
            lambda accuracy, gain: math.ceil(round(accuracy * (1 - accuracy) / gain**2, 9)),
            "The standard error would then be as large as the gain itself. It is to be half of it.",
        ),
        Mistake(
            lambda accuracy, gain: math.ceil(round((accuracy * (1 - accuracy)) ** 0.5 / (gain / 2), 9)),
            "The error falls with the root of n, so that n grows with the square.",
        ),
        Mistake(
            lambda accuracy, gain: math.ceil(round(accuracy * (1 - accuracy) / gain**2 * 2, 9)),
            "The gain is halved before it is squared: (gain/2)² is a quarter of gain².",
        ),
        Mistake(
            lambda accuracy, gain: accuracy * (1 - accuracy) / (gain / 2) ** 2,
            "A part of an image cannot be held out: round up.",
        ),
        Mistake(
            lambda accuracy, gain: int(round(accuracy * (1 - accuracy) / (gain / 2) ** 2, 9)),
            "Rounded down, the error is a little too large. Round up.",
        ),
    ),
)
