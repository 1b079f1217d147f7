"""Exercises of the notebook `active_learning_strategies`."""

import torch

from bal_course.exercises.core import Exercise, Mistake

CHAPTER = ("10", "Which label would teach most?")

prediction_1 = Exercise(
    name="active_learning_strategies.prediction_1",
    title="What margin buys",
    question="Each of the three scores buys another animal. Which one does margin buy?",
    choices={"A": "A", "B": "B", "C": "C"},
    answer="A",
    explanation="Margin looks at the two favourites alone: 0.50 against 0.48 is nearly a tie. The third class does not count.",
    hints=(
        "Write down, for each input, the largest and the second largest probability.",
        "Margin buys where their difference is smallest.",
    ),
    mistakes=(
        Mistake(
            "B", "B's favourite is the weakest, 0.46: that is what least confidence looks for. Take the difference."
        ),
        Mistake("C", "C spreads most over all three classes: that is what entropy looks for. Margin sees two of them."),
    ),
)

prediction_2 = Exercise(
    name="active_learning_strategies.prediction_2",
    title="Who buys the spoiled scans?",
    question="Random buys spoiled scans in proportion, three of ten. Who buys the largest share of them?",
    choices={"entropy": "entropy", "margin": "margin", "BALD": "BALD", "core-set": "core-set"},
    answer="core-set",
    explanation="Core-set buys what is far from everything else, and nothing is farther than a spoiled scan, labelled or not.",
    hints=(
        "Entropy, margin and BALD ask the network for its opinion. Who asks nobody?",
        "In the space of features, how far is one shuffled picture from the next shuffled picture?",
    ),
    mistakes=(
        Mistake(
            "entropy", "A good guess, and second worst: it does see a tie of ten classes there. One strategy buys more."
        ),
        Mistake(
            "margin",
            "Margin asks for them too often, but it also finds clean ties between two digits. Others buy more.",
        ),
        Mistake("BALD", "BALD takes off the doubt that each member of the committee admits to. Others buy more."),
    ),
)


prediction_3 = Exercise(
    name="active_learning_strategies.prediction_3",
    title="What the label at 4 is worth for point 2",
    question="What is the expected error reduction of asking at 4, BALD's favourite?",
    choices={"nothing": "nothing at all", "less": "something, but less than asking at 2", "most": "the most of all"},
    answer="nothing",
    explanation="Whatever is answered at 4, the best guess for point 2 stays *no*. What changes no decision is worth nothing.",
    hints=(
        "Before asking: in how many of the eight hypotheses is point 2 a *no*? So what would you guess?",
        "After a *yes* at 4 four hypotheses are left. Does your guess for point 2 change?",
    ),
    mistakes=(
        Mistake(
            "less", "It tells more about the hypotheses than any other. Does it ever change your guess for point 2?"
        ),
        Mistake(
            "most",
            "That is BALD's view: the most information about all hypotheses. The error counts guesses for point 2.",
        ),
    ),
)

prediction_4 = Exercise(
    name="active_learning_strategies.prediction_4",
    title="The first labels of all",
    question="Without a single label: which first choice teaches most?",
    choices={"typical": "the typical (ProbCover)", "outlying": "the outlying (core-set)", "chance": "chance"},
    answer="typical",
    explanation="A typical digit stands for many others. An outlying one stands for itself.",
    hints=(
        "The test digits come from where most of the pool lies.",
        "Imagine one picture of each group of look-alikes, and then the ten oddest pictures of the pool.",
    ),
    mistakes=(
        Mistake("outlying", "The oddest digits are far from everything, also from the digits of the test."),
        Mistake("chance", "Chance takes typical digits too, but several of one kind and none of another."),
    ),
)

prediction_5 = Exercise(
    name="active_learning_strategies.prediction_5",
    title="Half of the pool are toss-ups",
    question="On the dice: who ends below its first accuracy on clean digits?",
    choices={"entropy": "entropy", "margin": "margin", "BALD": "BALD", "random": "random"},
    answer="entropy",
    explanation="A known die keeps log 10 = 2.3 nats for ever, and no digit has more. Entropy buys 99 % blots.",
    hints=(
        "Who ends below its start has bought hardly anything that teaches digits.",
        "What do entropy, margin and BALD think of a picture on which all networks say one tenth?",
    ),
    mistakes=(
        Mistake(
            "margin",
            "On a die ten classes nearly tie, so margin buys 82 % blots. The digits that it buys still help.",
        ),
        Mistake("BALD", "All masks agree that a blot may be anything, so BALD buys none."),
        Mistake("random", "About half of random's labels are blots. The other half teach digits."),
    ),
)


def margin_score(probs_N_C):
    first_N, second_N = probs_N_C.topk(2, dim=-1).values.unbind(dim=-1)
    return second_N - first_N


exercise_1 = Exercise(
    name="active_learning_strategies.exercise_1",
    title="Margin, higher = acquire",
    answer=margin_score,
    explanation="The closer the two favourites, the nearer to zero this is from below, and the sooner the input is bought.",
    hints=(
        "`probs_N_C.topk(2, dim=-1).values` holds the two largest probabilities of each row, the largest first.",
        "The difference must be highest where the two are equal. Which one do you subtract?",
    ),
    cases=(
        (torch.tensor([[0.50, 0.48, 0.02], [0.46, 0.36, 0.18], [0.48, 0.26, 0.26]]),),
        (torch.tensor([[0.1, 0.2, 0.7], [0.3, 0.4, 0.3]]),),
        (torch.tensor([[0.0, 1.0], [0.5, 0.5]]),),
    ),
    tolerance=1e-5,
    mistakes=(
        Mistake(
            lambda probs_N_C: -margin_score(probs_N_C),
            "The sign is turned: this is largest where the model is surest. Higher must mean: acquire.",
        ),
        Mistake(
            lambda probs_N_C: probs_N_C[:, 1] - probs_N_C[:, 0],
            "You took the first two columns. The two favourites may be anywhere: sort each row first.",
        ),
        Mistake(
            lambda probs_N_C: probs_N_C.min(dim=-1).values - probs_N_C.max(dim=-1).values,
            "You compared the favourite with the least probable class. Compare it with the runner-up.",
        ),
        Mistake(
            lambda probs_N_C: 1 + margin_score(probs_N_C),
            "The order is right, and would buy the same. Family 1's margin is the difference alone, without the one.",
        ),
        Mistake(
            lambda probs_N_C: 1 - probs_N_C.max(dim=-1).values, "This is least confidence. Look at the runner-up too."
        ),
    ),
)


def into_a_toss_up(probs_K_C):
    return probs_K_C.mean(dim=0, keepdim=True).expand(len(probs_K_C), -1)


exercise_2 = Exercise(
    name="active_learning_strategies.exercise_2",
    title="Give BALD a pool on which it beats entropy",
    answer=into_a_toss_up,
    explanation="All say what they said on average. Entropy sees the mean alone and pays as before; BALD sees agreement.",
    hints=(
        "Entropy is computed from the mean over the members. What may change without changing the mean?",
        "BALD is zero where all members say the same. What must they all say, so that the mean stays?",
        "`probs_K_C.mean(dim=0, keepdim=True).expand(len(probs_K_C), -1)`.",
    ),
    cases=(
        (torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]]),),
        (torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]]),),
        (torch.tensor([[0.6, 0.3, 0.1], [0.2, 0.2, 0.6], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]]),),
    ),
    tolerance=1e-5,
    mistakes=(
        Mistake(
            lambda probs_K_C: torch.full_like(probs_K_C, 1 / probs_K_C.shape[1]),
            "All agree, but on 1/C: entropy now pays more than before. Average over the members, not the classes.",
        ),
        Mistake(
            lambda probs_K_C: probs_K_C.mean(dim=0),
            "That is the mean itself, one opinion of C numbers. There are K members, and each needs one: shape [K, C].",
        ),
        Mistake(
            lambda probs_K_C: probs_K_C.flip(0),
            "The members changed places: they contradict each other as before, so BALD pays as before.",
        ),
    ),
)


def next_chances(points_N_2, chosen):
    nearest_N = torch.cdist(points_N_2, points_N_2[chosen]).amin(dim=1)
    return nearest_N.square() / nearest_N.square().sum()


def not_squared(points_N_2, chosen):
    nearest_N = torch.cdist(points_N_2, points_N_2[chosen]).amin(dim=1)
    return nearest_N / nearest_N.sum()


def from_the_last(points_N_2, chosen):
    squares_N = (points_N_2 - points_N_2[chosen[-1]]).square().sum(dim=1)
    return squares_N / squares_N.sum()


def from_all(points_N_2, chosen):
    squares_N = torch.cdist(points_N_2, points_N_2[chosen]).square().sum(dim=1)
    return squares_N / squares_N.sum()


exercise_3 = Exercise(
    name="active_learning_strategies.exercise_3",
    title="BADGE's next draw",
    answer=next_chances,
    explanation="Squared distance from the nearest chosen point, over the sum. What is chosen has no chance, nor a copy of it.",
    hints=(
        "`torch.cdist(points_N_2, points_N_2[chosen])` holds the distances of all points from the chosen ones.",
        "Take each point's distance from the *nearest* chosen one, and square it.",
        "Chances sum to one.",
    ),
    cases=(
        (torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0], [3.0, 0.0]]), [0]),
        (torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0], [3.0, 0.0], [3.0, 1.0]]), [3, 0]),
        (torch.tensor([[1.0, 1.0], [1.0, 1.0], [4.0, 5.0], [0.0, 1.0]]), [0]),
    ),
    tolerance=1e-5,
    mistakes=(
        Mistake(
            not_squared, "These are in proportion to the distance. K-means++ squares it, and prefers the far even more."
        ),
        Mistake(
            lambda points_N_2, chosen: (
                next_chances(points_N_2, chosen) * 0
                + torch.nn.functional.one_hot(next_chances(points_N_2, chosen).argmax(), len(points_N_2))
            ),
            "You always take the farthest: that is k-center. BADGE draws, so that one stranger need not be the next.",
        ),
        Mistake(
            from_the_last, "You measured from the newest choice only. A point close to an older one is covered as well."
        ),
        Mistake(from_all, "You summed over all chosen points. What counts is the nearest of them."),
        Mistake(
            lambda points_N_2, chosen: torch.cdist(points_N_2, points_N_2[chosen]).amin(dim=1).square(),
            "These are the squared distances. Chances sum to one: divide.",
        ),
    ),
)

exercise_4 = Exercise(
    name="active_learning_strategies.exercise_4",
    title="Labels saved, all counted",
    answer=-40.0,
    explanation="Margin paid 200 + 100 labels, random 260. Margin saved minus forty: it cost forty more.",
    hints=(
        "Who paid for the 100 pictures that decide when margin's training stops?",
        "Margin: 200 bought and 100 for validation. Random: 260 and none.",
    ),
    mistakes=(
        Mistake(60.0, "That is what the paper says. The validation pictures are labelled too: somebody paid for them."),
        Mistake(
            40.0,
            "The number is right, its sign is not: margin needed more labels than random, so it saved fewer than none.",
        ),
        Mistake(
            160.0,
            "You gave the validation labels to random. It does not need them: its training has a fixed number of steps.",
        ),
    ),
)
