"""Exercises of the notebook `active_learning_strategies`."""

import torch
from torch.special import entr

from bal_course.exercises.core import Exercise, Mistake

CHAPTER = ("10", "Which label would teach most?")

prediction_1 = Exercise(
    name="active_learning_strategies.prediction_1",
    title="What margin buys",
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
    answer="core-set",
    explanation="Core-set buys what is far from everything else, and nothing is farther than a spoiled scan, labelled or not.",
    hints=(
        "Entropy, margin and BALD ask the network, which learns from the guesses that it cannot know. Who asks no opinion?",
        "In the space of features, how far is one shuffled picture from the next shuffled picture?",
    ),
    mistakes=(
        Mistake("random", "Random buys spoiled scans in proportion: three of ten. The others buy more."),
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
            lambda probs_N_C: 1 - probs_N_C.max(dim=-1).values, "This is least confidence. Look at the runner-up too."
        ),
    ),
)


def vote_entropy(probs_K_C):
    votes_K = probs_K_C.argmax(dim=-1)
    shares_C = torch.bincount(votes_K, minlength=probs_K_C.shape[1]) / len(votes_K)
    return entr(shares_C).sum()


exercise_2 = Exercise(
    name="active_learning_strategies.exercise_2",
    title="The entropy of the votes",
    answer=vote_entropy,
    explanation="Each member votes first, however unsure; then the entropy of the shares of votes is taken.",
    hints=(
        "`probs_K_C.argmax(dim=-1)` is each member's vote.",
        "`torch.bincount(votes_K, minlength=C)` counts them. Shares are counts divided by K.",
        "`torch.special.entr(shares_C).sum()`.",
    ),
    cases=(
        (torch.tensor([[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1]]),),
        (torch.tensor([[0.51, 0.49], [0.49, 0.51]]),),
        (torch.tensor([[0.99, 0.01], [0.60, 0.40]]),),
    ),
    tolerance=1e-5,
    mistakes=(
        Mistake(
            lambda probs_K_C: entr(probs_K_C).sum(dim=-1).mean(),
            "This is the mean of the members' entropies: how unsure each is by itself. The votes may still agree.",
        ),
        Mistake(
            lambda probs_K_C: entr(probs_K_C.mean(dim=0)).sum(),
            "You averaged the probabilities, and took the entropy of their mean. Let each member vote first.",
        ),
        Mistake(
            lambda probs_K_C: entr(probs_K_C.mean(dim=0)).sum() - entr(probs_K_C).sum(dim=-1).mean(),
            "This is BALD, which hears how sure each member is. A vote does not say how sure the voter is.",
        ),
    ),
)


def mean_kl(probs_K_C):
    mean_C = probs_K_C.mean(dim=0)
    return (probs_K_C * (probs_K_C / mean_C).log()).sum(dim=-1).mean()


exercise_3 = Exercise(
    name="active_learning_strategies.exercise_3",
    title="How far the members are from their mean",
    answer=mean_kl,
    explanation="Each member's divergence from the mean, averaged. It is BALD, and it is never negative.",
    hints=(
        "KL(p‖q) = Σ_c p_c log(p_c / q_c), with p the member and q the mean of all members.",
        "Sum over the classes for each member, then average over the members.",
    ),
    cases=(
        (torch.tensor([[0.9, 0.1], [0.1, 0.9], [0.5, 0.5]]),),
        (torch.tensor([[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.1, 0.1, 0.8]]),),
        (torch.tensor([[0.3, 0.7], [0.3, 0.7]]),),
    ),
    tolerance=1e-5,
    mistakes=(
        Mistake(
            lambda probs_K_C: (probs_K_C.mean(dim=0) * (probs_K_C.mean(dim=0) / probs_K_C).log()).sum(dim=-1).mean(),
            "The two are swapped: this is KL(mean‖member). The member comes first, so that it weighs the logarithms.",
        ),
        Mistake(
            lambda probs_K_C: -mean_kl(probs_K_C),
            "The sign is turned: in terms of entropies, this is noise minus all doubt, which is never positive.",
        ),
        Mistake(
            lambda probs_K_C: mean_kl(probs_K_C) * len(probs_K_C),
            "You summed over the members. Average, so that a larger committee does not make every input more interesting.",
        ),
        Mistake(
            lambda probs_K_C: entr(probs_K_C.mean(dim=0)).sum(),
            "This is the entropy of the mean: all the doubt. Members that agree on a coin toss would score high.",
        ),
    ),
)


def gradient_length(probs_C, features_F):
    gaps_C_C = probs_C - torch.eye(len(probs_C))  # row y is p - e_y
    return (probs_C * gaps_C_C.norm(dim=-1)).sum() * (features_F.square().sum() + 1).sqrt()


def unweighted(probs_C, features_F):
    gaps_C_C = probs_C - torch.eye(len(probs_C))
    return gaps_C_C.norm(dim=-1).mean() * (features_F.square().sum() + 1).sqrt()


def length_of_the_mean(probs_C, features_F):
    gaps_C_C = probs_C - torch.eye(len(probs_C))
    return (probs_C[:, None] * gaps_C_C).sum(dim=0).norm() * (features_F.square().sum() + 1).sqrt()


exercise_4 = Exercise(
    name="active_learning_strategies.exercise_4",
    title="Expected gradient length of the last layer",
    answer=gradient_length,
    explanation="One length for each possible label, each weighed by how probable the model thinks that label.",
    hints=(
        "For the label y the length is ‖p - e_y‖ √(‖φ‖² + 1). The second factor is the same for all labels.",
        "`probs_C - torch.eye(C)` holds p - e_y in row y. `.norm(dim=-1)` gives the lengths of the rows.",
        "Weigh the lengths by `probs_C` and sum.",
    ),
    cases=(
        (torch.tensor([0.5, 0.5]), torch.tensor([3.0, 4.0])),
        (torch.tensor([0.8, 0.1, 0.1]), torch.tensor([1.0, -2.0, 0.5])),
        (torch.tensor([0.6, 0.3, 0.1]), torch.tensor([0.0, 0.0])),
    ),
    tolerance=1e-5,
    mistakes=(
        Mistake(
            unweighted,
            "You gave every label the same weight. Improbable labels have the longest gradients: weigh each by p(y).",
        ),
        Mistake(
            lambda probs_C, features_F: (
                gradient_length(probs_C, features_F) * features_F.norm() / (features_F.square().sum() + 1).sqrt()
            ),
            "The biases are missing: their gradient is p - e_y itself, which adds 1 to ‖φ‖² under the root.",
        ),
        Mistake(
            length_of_the_mean,
            "You averaged the gradients and then took the length: that is always zero. Take the lengths first.",
        ),
    ),
)


def k_center(points_N_2, labelled_L_2, batch_size):
    distances_N = torch.cdist(points_N_2, labelled_L_2).amin(dim=1)
    chosen = []
    for _ in range(batch_size):
        chosen.append(distances_N.argmax().item())
        to_new_N = (points_N_2 - points_N_2[chosen[-1]]).norm(dim=1)
        distances_N = torch.minimum(distances_N, to_new_N)
    return chosen


def without_update(points_N_2, labelled_L_2, batch_size):
    return torch.cdist(points_N_2, labelled_L_2).amin(dim=1).topk(batch_size).indices.tolist()


def replaced(points_N_2, labelled_L_2, batch_size):
    distances_N = torch.cdist(points_N_2, labelled_L_2).amin(dim=1)
    chosen = []
    for _ in range(batch_size):
        chosen.append(distances_N.argmax().item())
        distances_N = (points_N_2 - points_N_2[chosen[-1]]).norm(dim=1)
    return chosen


exercise_5 = Exercise(
    name="active_learning_strategies.exercise_5",
    title="A batch that covers",
    answer=k_center,
    explanation="After each choice the new centre covers its neighbours, so distances are lowered before the next one.",
    hints=(
        "Start with each point's distance to the nearest labelled point: `torch.cdist(points, labelled).amin(dim=1)`.",
        "Take the farthest. Then every point's distance is the smaller of the old one and that to the new centre.",
        "`torch.minimum(distances_N, to_new_N)`.",
    ),
    cases=(
        (torch.tensor([[0.0, 1.0], [5.0, 0.0], [5.2, 0.0], [0.0, 4.0], [2.0, 2.0]]), torch.tensor([[0.0, 0.0]]), 3),
        (torch.tensor([[1.0, 0.0], [9.0, 0.0], [9.5, 0.0], [4.6, 0.0]]), torch.tensor([[0.0, 0.0]]), 2),
        (torch.tensor([[3.0, 3.0], [0.0, 6.0], [6.5, 0.0], [1.0, 1.0]]), torch.tensor([[0.0, 0.0], [5.0, 0.0]]), 2),
    ),
    mistakes=(
        Mistake(
            without_update,
            "You took the farthest points at once. Near the first choice the others are no longer far: update after each.",
        ),
        Mistake(
            replaced,
            "After a choice you kept only the distance to the newest centre. A point is covered by the nearest of all.",
        ),
    ),
)
