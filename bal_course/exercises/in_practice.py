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
    explanation="The standard error is √(0.9 · 0.1 / 50) = 0.04: four points, more than a round of labels brings.",
    hints=(
        "Each image is right with probability 0.9: a coin. What is the variance of one toss, and of the mean of fifty?",
        "One toss has the variance 0.9 · 0.1. The mean of fifty has a fiftieth of it. Take the root.",
    ),
    tolerance=0.004,
    mistakes=(
        Mistake(0.9 * 0.1 / 50, "This is the variance of the mean. The standard error is its root."),
        Mistake((0.9 * 0.1) ** 0.5, "This is the deviation of a single image. The mean of fifty is steadier by √50."),
        Mistake(
            4.22, "Right if these are points. As a share, which is what the check wants, it is a hundredth of that."
        ),
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
        "Look at the formula: which of the two, the input or the label of the target, is averaged over?",
        "The label of the target is a random variable of the model, as the candidate's is. What is fixed is the input.",
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
        Mistake("70", "The two models learnt from other images: what one finds hard, the other often gets right."),
    ),
)

prediction_4 = Exercise(
    name="in_practice.prediction_4",
    title="Who buys the toss-ups",
    question="Who spends the largest share of its labels on lines that nobody could place?",
    choices={"random": "random", "margin": "margin", "entropy": "entropy", "BALD": "BALD"},
    answer="entropy",
    explanation="A line that could be anything has the highest entropy there is, before its label is bought and after.",
    hints=(
        "Random takes them as they come, one in five. Who is drawn to them, and who is drawn most?",
        "A tie of two favourites is enough for margin. Which score grows further when a third and a fourth class come in?",
    ),
    mistakes=(
        Mistake("random", "Random buys them as often as they occur. Others are drawn to them."),
        Mistake("margin", "Margin is drawn to them too, and to the doubt between two sections that labels do remove."),
        Mistake("BALD", "BALD takes off the doubt that every draw of the weights keeps. The others do not."),
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
        ([0.5], 2),
    ),
    mistakes=(
        Mistake(
            compared_with_the_last, "You compared each round with the one before it. Compare with the best so far."
        ),
        Mistake(
            the_best_round, "This is the round of the best value. The rule stops later: it can only know afterwards."
        ),
        Mistake(
            lambda values_R, patience: stop_round(values_R, patience + 1),
            "You wait a round too long. After `patience` rounds without a new best, this round is the answer.",
        ),
        Mistake(ties_count, "You let a tie count as an improvement. No gain is no gain: ask for strictly more."),
    ),
)


def answers_per_image(error, num_classes):
    agree = (1 - error) ** 2 + error**2 / (num_classes - 1)
    return 2 + (1 - agree)


exercise_2 = Exercise(
    name="in_practice.exercise_2",
    title="What asking twice costs",
    answer=answers_per_image,
    explanation="Two answers agree if both are right, or both wrong in the same way. In all other cases a third is bought.",
    hints=(
        "The price is 2 plus the probability that the first two answers differ.",
        "They agree if both are right, (1 - e)², or if both give the same wrong label.",
        "Both wrong: e². The second then hits the same of the C - 1 wrong labels with probability 1/(C - 1).",
    ),
    cases=((0.2, 10), (0.5, 2), (0.0, 10), (0.3, 3), (0.9, 10)),
    mistakes=(
        Mistake(
            lambda error, num_classes: 2 + 2 * error * (1 - error),
            "Two wrong answers can differ too: then a third is needed as well. Start from when the two agree.",
        ),
        Mistake(
            lambda error, num_classes: 2 + 1 - (1 - error) ** 2,
            "You left out that two wrong answers can be the same by chance. Then nobody notices, and no third is bought.",
        ),
        Mistake(
            lambda error, num_classes: 2 + 1 - (1 - error) ** 2 - error**2 / num_classes,
            "A wrong answer is one of the other C - 1 labels, so that two of them meet with probability 1/(C - 1).",
        ),
        Mistake(
            lambda error, num_classes: 1 - (1 - error) ** 2 - error**2 / (num_classes - 1),
            "This is the probability of a third answer. The first two have to be paid for as well.",
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
    ),
)


def images_needed(accuracy, gain):
    return math.ceil(round(accuracy * (1 - accuracy) / (gain / 2) ** 2, 9))


exercise_4 = Exercise(
    name="in_practice.exercise_4",
    title="How many images to hold out",
    answer=images_needed,
    explanation="The standard error √(a(1 − a)/n) is at most gain/2 from n = a(1 − a)/(gain/2)² on, rounded up.",
    hints=(
        "Write down the standard error of an accuracy `a` measured on n images. You had it for n = 50.",
        "Set √(a(1 − a)/n) = gain/2 and solve for n. A part of an image cannot be held out: round up.",
    ),
    cases=((0.9, 0.02), (0.9, 0.05), (0.5, 0.1), (0.97, 0.01), (0.8, 0.03)),
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
            lambda accuracy, gain: int(round(accuracy * (1 - accuracy) / (gain / 2) ** 2, 9)),
            "Rounded down, the error is a little too large. Round up.",
        ),
    ),
)
