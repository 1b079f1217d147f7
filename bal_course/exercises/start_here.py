"""Exercises of the notebook `start_here`."""

import numpy as np
import torch

from bal_course.exercises.core import Exercise, Mistake

CHAPTER = ("00", "Can a model choose its own training data?")

prediction_1 = Exercise(
    name="start_here.prediction_1",
    title="Which label would you buy?",
    answer="Q",
    question="Averaged over its twenty networks, each picture comes out at fifty-fifty. You may buy one label. "
    "Which one changes the committee more?",
    choices={"P": "the label of P", "Q": "the label of Q", "same": "it makes no difference"},
    explanation="Every network that looks at Q is sure, and ten of them are wrong: the label proves which ten. "
    "On P each network expects a coin toss, and whatever comes is what it expected.",
    hints=(
        "Suppose the label comes out as cat. How many of the twenty networks have to change their mind?",
        "Read the rows and not the average: is any single network surprised?",
    ),
    mistakes=(
        Mistake(
            "P",
            "The networks are most hesitant on P, one by one. But each of them foresaw a coin toss, "
            "so no outcome can prove any of them wrong.",
        ),
        Mistake(
            "same",
            "The averages are the same, and a score of the average cannot tell P from Q. "
            "Look one step earlier, at the single networks.",
        ),
    ),
)

prediction_2 = Exercise(
    name="start_here.prediction_2",
    title="What chance needs",
    answer=180,
    tolerance=0.12,
    question="With images chosen by BatchBALD, half of six runs reach an accuracy of 90 % with 110 labels. "
    "With how many labels are half of them there if the images are drawn at random? Twenty either way counts as right.",
    explanation="It takes 180 at random: chance spends most labels on images that the network has right already.",
    hints=(
        "More than 110, or there would be no course.",
        "The first labels teach much, however they are chosen; the later ones do not. It is less than twice as many.",
    ),
    mistakes=(
        Mistake(110, "Then choosing would gain nothing. Random does worse."),
        Mistake(1000, "Choosing helps, but not tenfold: a random image teaches something too."),
    ),
)


def labels_to_reach(labels, accuracy, threshold):
    reached = np.asarray(accuracy) >= threshold
    return float(np.asarray(labels)[reached][0]) if reached.any() else float("inf")


def place_of_first(labels, accuracy, threshold):
    reached = np.asarray(accuracy) >= threshold
    return float(np.argmax(reached)) if reached.any() else float("inf")


def first_even_if_never(labels, accuracy, threshold):
    return float(np.asarray(labels)[np.argmax(np.asarray(accuracy) >= threshold)])


def above_ever_after(labels, accuracy, threshold):
    stays = np.minimum.accumulate(np.asarray(accuracy)[::-1])[::-1] >= threshold
    return float(np.asarray(labels)[stays][0]) if stays.any() else float("inf")


exercise_1 = Exercise(
    name="start_here.exercise_1",
    title="Labels to reach an accuracy",
    answer=labels_to_reach,
    explanation="The first count at which the curve touches the threshold; infinity says that it never did.",
    hints=(
        "`np.asarray(accuracy) >= threshold` is True at every round that is good enough.",
        "Index the labels with that mask and take the first. Mind the curve on which no entry is True.",
    ),
    cases=(
        ([20, 30, 40, 50], [0.70, 0.91, 0.88, 0.95], 0.90),
        ([20, 30, 40, 50], [0.70, 0.91, 0.88, 0.95], 0.95),
        ([20, 30, 40, 50], [0.70, 0.91, 0.88, 0.95], 0.99),
    ),
    mistakes=(
        Mistake(
            place_of_first, "You return the place of the round in the list. Return the number of labels at that place."
        ),
        Mistake(
            first_even_if_never,
            "`np.argmax` of a mask without a True is 0, so a curve that never gets there seems to be there at once.",
        ),
        Mistake(
            lambda labels, accuracy, threshold: labels_to_reach(labels, accuracy, np.nextafter(threshold, 1)),
            "A curve that touches the threshold has reached it: compare with `>=`, not with `>`.",
        ),
        Mistake(
            above_ever_after,
            "You ask the curve to stay above the threshold. The papers count the first crossing, noise and all.",
        ),
    ),
)


def least_confidence(probs):
    return 1 - probs.max(dim=-1).values


exercise_2 = Exercise(
    name="start_here.exercise_2",
    title="Least confidence",
    answer=least_confidence,
    explanation="The less the favourite gets, the more the image is wanted: higher = acquire.",
    hints=(
        "`probs.max(dim=-1).values` is the probability of each favourite.",
        "Turn it round, so that unsure is high.",
    ),
    cases=(
        (torch.tensor([[0.9, 0.1, 0.0], [0.4, 0.3, 0.3]]),),
        (torch.tensor([[0.5, 0.5], [1.0, 0.0], [0.2, 0.8]]),),
    ),
    mistakes=(
        Mistake(
            lambda probs: probs.max(dim=-1).values,
            "This is highest where the model is surest. Higher must mean: acquire.",
        ),
        Mistake(
            lambda probs: -probs.max(dim=-1).values,
            "The order is right. The score should also be zero where the favourite has everything.",
        ),
        Mistake(
            lambda probs: probs.argmax(dim=-1), "`argmax` names the favourite class. Its probability is what you need."
        ),
        Mistake(
            lambda probs: 1 - probs.max().reshape(1),
            "One number came back. Take the maximum over the classes: `dim=-1`.",
        ),
    ),
)


exercise_3 = Exercise(
    name="start_here.exercise_3",
    title="Four committees",
    answer="QSRP",
    explanation=(
        "BALD is 0.69 nats for Q, 0.56 for S, 0.37 for R and 0 for P. Q and S hold no doubt inside their networks, "
        "so all of it can be settled; S is less divided. R is divided as evenly as Q, but each network keeps some doubt."
    ),
    hints=(
        "Take the networks of each committee one by one. In which committees does no network hesitate at all?",
        "Where no network hesitates, BALD is the entropy of the average: of 1/2 for Q, of 3/4 for S.",
        "For R take 0.33, the entropy of 0.9 and 0.1, off 0.69.",
    ),
    mistakes=(
        Mistake(
            "PRSQ",
            "Turned round: the first letter is the label to buy first, and P's label teaches nothing.",
        ),
        Mistake(
            "QRSP",
            "R averages to one half and S to three quarters, so there is more doubt about R. "
            "But a part of it sits inside R's networks, and a label leaves it there.",
        ),
        Mistake(
            "PQRS",
            "That is how entropy orders them (three of them tie). It cannot see who hesitates and who disagrees.",
        ),
        Mistake("SQRP", "Half against half disagree more than three against one: more minds are changed on average."),
        Mistake("PRQS", "That is the noise, from large to small. A label teaches what is left when it is taken off."),
        Mistake("QSPR", "The networks of P agree with each other entirely, so a label settles nothing between them."),
    ),
)

exercise_4 = Exercise(
    name="start_here.exercise_4",
    title="A colleague's test set",
    answer="A",
    explanation="BALD collects what the model finds hard, so a test on it looks worse than the model is on new images.",
    hints=("What kind of image does BALD ask for?", "Would a new image, drawn at random, be as hard?"),
    mistakes=(
        Mistake(
            "B", "The images were picked because the networks contradict each other there: few of those come easily."
        ),
        Mistake(
            "C", "That would hold for images drawn at random. These were chosen, by the model that is being tested."
        ),
    ),
)
