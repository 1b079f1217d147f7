"""Exercises of the notebook `batchbald`."""

import math

import torch
from torch.special import entr

from bal_course.exercises.core import Exercise, Mistake

CHAPTER = ("13", "Why is the top ten not the best ten?")

prediction_1 = Exercise(
    name="batchbald.prediction_1",
    title="Two questions for the witness",
    question="Which of these pairs tells all six suspects apart?",
    choices={
        "town and hand": "town and hand",
        "coat and town": "coat and town",
        "coat and hand": "coat and hand",
        "coat and accent": "coat and accent",
        "town and accent": "town and accent",
    },
    answer="town and hand",
    explanation="Three towns times two hands: each of the six suspects has a pair of answers of his own.",
    hints=(
        "For each pair, write the two answers beside every suspect. Do any two suspects end up with the same pair?",
        "Coat and town: look at the two suspects from the north.",
    ),
    mistakes=(
        Mistake("coat and town", "The two from the north wear the same coat, so this pair cannot tell them apart."),
        Mistake(
            "coat and hand",
            "The two left-handers from east and south both wear red: this pair cannot tell them apart.",
        ),
        Mistake("coat and accent", "The accent is the town again. The two from the north wear the same coat."),
        Mistake(
            "town and accent", "The accent says nothing that the town does not say: three pairs of suspects remain."
        ),
    ),
)

prediction_2 = Exercise(
    name="batchbald.prediction_2",
    title="Different images among BALD's ten",
    question="How many different images are among BALD's ten?",
    answer=2,
    explanation="Five copies have one and the same score. The best image fills five places, the second best the other five.",
    hints=(
        "Exact copies have exactly the same predictions, hence the same score.",
        "Sort the pool by score. Where do the five copies of the best image stand?",
    ),
    mistakes=(
        Mistake(10, "That would need ten different scores at the top. Copies share their score: they stand together."),
        Mistake(1, "One image has only five copies. Who fills the other five places?"),
        Mistake(5, "Five is the number of copies of each. How many images fill ten places, five at a time?"),
    ),
)

prediction_3 = Exercise(
    name="batchbald.prediction_3",
    title="The most that any batch can tell about twenty networks",
    question="How many nats can a batch of a hundred labels tell at most about twenty networks?",
    answer=math.log(20),
    explanation="Whatever the batch, the labels can at best tell which of the twenty networks is right: log 20 nats.",
    hints=(
        "Suppose that the labels told you everything about the committee. What would you then know?",
        "You would know which member is right. The entropy of a uniform choice among K is log K.",
    ),
    tolerance=0.006,
    mistakes=(
        Mistake(
            100 * math.log(10), "That is the most that 100 labels could say about anything. What is there to be said?"
        ),
        Mistake(
            math.log(100), "That counts the labels. Count what they are to tell apart: the members of the committee."
        ),
        Mistake(
            math.log(10), "That is the most that a single label can tell. A batch can tell more, up to another limit."
        ),
        Mistake(20, "Information is a logarithm: one of twenty, in nats."),
    ),
)


prediction_4 = Exercise(
    name="batchbald.prediction_4",
    title="From four labels a round to a hundred",
    question="From 4 labels a round to 40: what happens to the distance between BatchBALD and BALD?",
    choices={"grows": "it grows", "stays": "it stays as it is", "shrinks": "it shrinks"},
    answer="grows",
    explanation="The more is bought at once, the more BALD's favourites repeat each other.",
    hints=(
        "How many of BALD's forty favourites tell the same as its first?",
        "What does the sum of scores count twice?",
    ),
    mistakes=(
        Mistake("stays", "Double counting needs a batch. With one label a round the two are the same strategy."),
        Mistake(
            "shrinks",
            "The ceiling speaks for it: late picks of BatchBALD are noise. But BALD's late picks resemble its first.",
        ),
    ),
)

prediction_5 = Exercise(
    name="batchbald.prediction_5",
    title="BatchBALD and a draw",
    question="Of ten labels a random draw spends one on a copy, and BALD about six. What of BatchBALD?",
    choices={"random": "one, as random", "between": "about three", "bald": "about six, as BALD"},
    answer="between",
    explanation="It believes in a second reader: a copy still adds something, but less than the first label did.",
    hints=(
        "Does BatchBALD know that a copy will get the same label?",
        "Look again at what the second copy of the best image added, and the third.",
    ),
    mistakes=(
        Mistake("random", "It would avoid copies if it thought them worthless. It thinks of a second reader instead."),
        Mistake(
            "bald", "To BALD every copy is worth as much as the first. A joint score pays less for each further one."
        ),
    ),
)


CONTRADICTORY = torch.tensor([[0.9, 0.1], [0.1, 0.9]])
THREE = (
    torch.tensor([[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.1, 0.1, 0.8]]),
    torch.tensor([[0.2, 0.5, 0.3], [0.8, 0.1, 0.1], [0.3, 0.3, 0.4]]),
)
SURE = (torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]), torch.tensor([[0.0, 1.0], [0.0, 1.0], [1.0, 0.0]]))
PAIRS = ((CONTRADICTORY, CONTRADICTORY), THREE, SURE)


def conditional_gain(first_K_C, second_K_C):
    chance_C = first_K_C.mean(dim=0)
    weights_C_K = first_K_C.T / first_K_C.sum(dim=0)[:, None].clamp_min(1e-30)
    predicted_C_D = weights_C_K @ second_K_C
    doubt = (chance_C * entr(predicted_C_D).sum(dim=-1)).sum()
    return doubt - entr(second_K_C).sum(dim=-1).mean()


def alone(first_K_C, second_K_C):
    return entr(second_K_C.mean(dim=0)).sum() - entr(second_K_C).sum(dim=-1).mean()


def unweighted(first_K_C, second_K_C):
    weights_C_K = first_K_C.T / first_K_C.sum(dim=0)[:, None].clamp_min(1e-30)
    return entr(weights_C_K @ second_K_C).sum(dim=-1).mean() - entr(second_K_C).sum(dim=-1).mean()


def not_normalised(first_K_C, second_K_C):
    return entr(first_K_C.T @ second_K_C).sum(dim=-1) @ first_K_C.mean(dim=0) - entr(second_K_C).sum(dim=-1).mean()


exercise_1 = Exercise(
    name="batchbald.exercise_1",
    title="What the second label adds",
    answer=conditional_gain,
    explanation="For each first label: reweight the members, predict the second label, take its entropy. Average, less noise.",
    hints=(
        "By Bayes' rule the first label y gives member k the weight p_k(y) / Σ_j p_j(y).",
        "With these weights predict the second label, for each y in turn; take the entropies.",
        "Average the entropies with the chances p̄(y) of the first label, and subtract the mean noise of the second.",
    ),
    cases=PAIRS,
    tolerance=1e-5,
    mistakes=(
        Mistake(
            alone,
            "This is BALD of the second label, as if nothing were known. The first label has moved the members' weights.",
        ),
        Mistake(
            lambda first, second: conditional_gain(first, second) + entr(second).sum(dim=-1).mean(),
            "This is all the doubt left about the second label. Take off the noise, which no label removes.",
        ),
        Mistake(
            unweighted,
            "You gave every first label the same weight. Some are likelier than others: weigh each by its chance p̄(y).",
        ),
        Mistake(
            not_normalised,
            "Given the first label the weights of the members sum to one: divide p_k(y) by the sum over the members.",
        ),
        Mistake(
            lambda first, second: conditional_gain(second, first),
            "This is what the first label adds to the second. Reweight the members by the first label.",
        ),
        Mistake(
            lambda first, second: alone(first, first) + conditional_gain(first, second),
            "This is what both labels tell. Only what the second one adds is asked for.",
        ),
        Mistake(
            lambda first, second: alone(first, first) + alone(first, second),
            "This is the sum of the two BALD scores: what both labels share is counted twice.",
        ),
    ),
)


exercise_2 = Exercise(
    name="batchbald.exercise_2",
    title="Masks for a batch of a hundred",
    answer=math.exp(10),
    explanation="A hundred labels at 0.1 nats make 10 nats, and log K must be at least that: K = e¹⁰, some 22,000 masks.",
    hints=(
        "How much does the whole batch have to tell?",
        "A batch tells at most log K. Solve log K = 10 for K.",
    ),
    tolerance=0.02,
    mistakes=(
        Mistake(20_000, "log 20,000 is 9.9 nats. You need ten."),
        Mistake(10_000, "log 10,000 is 9.2 nats. You need ten."),
        Mistake(10**10, "That is ten decimal digits. Nats belong to the natural logarithm: K is e to the tenth."),
        Mistake(100, "log 100 is 4.6 nats. Spread over a hundred labels that is less than 0.05 for each."),
        Mistake(1000, "log 1,000 is 6.9 nats. You need ten."),
        Mistake(
            200, "The need does not grow with the number of labels but with the exponential of the nats: log K = 10."
        ),
        Mistake(10, "Those are the nats that the batch must tell. The masks are their exponential."),
    ),
)


def at_most(worth, gains_N, batch_size, num_samples):
    return min(worth + gains_N.topk(batch_size).values.sum().item(), math.log(num_samples))


exercise_3 = Exercise(
    name="batchbald.exercise_3",
    title="No batch can be worth more",
    answer=at_most,
    explanation="The best batch adds at most its b gains, each at most what it is now; and log K is the end of it all.",
    hints=(
        "Add the whole best batch to what you have. By submodularity each member adds at most its present gain.",
        "Nobody knows which members those are, so take the b largest gains. All b: none of your picks need be among them.",
        "And no batch can tell more than log K.",
    ),
    cases=(
        (1.2, torch.tensor([0.3, 0.05, 0.2, 0.1]), 2, 100),
        (2.5, torch.tensor([0.4, 0.3, 0.2, 0.35]), 3, 20),
        (0.0, torch.tensor([0.5, 0.6, 0.1]), 1, 10),
    ),
    tolerance=1e-5,
    mistakes=(
        Mistake(
            lambda worth, gains_N, batch_size, num_samples: worth + gains_N.topk(batch_size).values.sum().item(),
            "Where the sum exceeds log K the bound can be better: K samples hold no more than that.",
        ),
        Mistake(
            lambda worth, gains_N, batch_size, num_samples: min(worth + gains_N.sum().item(), math.log(num_samples)),
            "You added the gains of the whole pool. The best batch has only b members: add the b largest.",
        ),
        Mistake(
            lambda worth, gains_N, batch_size, num_samples: min(
                worth + batch_size * gains_N.max().item(), math.log(num_samples)
            ),
            "True, but loose: not all b members can have the largest gain. Take the b largest.",
        ),
        Mistake(
            lambda worth, gains_N, batch_size, num_samples: min(
                gains_N.topk(batch_size).values.sum().item(), math.log(num_samples)
            ),
            "The gains come on top of what the batch in hand is worth already.",
        ),
        Mistake(
            lambda worth, gains_N, batch_size, num_samples: min(
                worth + gains_N[:batch_size].sum().item(), math.log(num_samples)
            ),
            "You took the first b gains of the list. The best batch may hold any inputs: take the b largest gains.",
        ),
        Mistake(
            lambda worth, gains_N, batch_size, num_samples: math.log(num_samples),
            "True, and the ceiling. The present gains often allow a lower bound.",
        ),
        Mistake(
            lambda worth, gains_N, batch_size, num_samples: min(worth / (1 - math.exp(-1)), math.log(num_samples)),
            "That holds only for a greedy batch of `batch_size`. Start from what the gains in hand allow.",
        ),
    ),
)


def power_batch(scores_N, beta, uniforms_N, batch_size):
    keys_N = beta * scores_N.log() - (-uniforms_N.log()).log()
    return keys_N.topk(batch_size).indices.tolist()


UNIFORMS = torch.tensor([0.10, 0.80, 0.45, 0.05, 0.60])
SCORES = torch.tensor([0.9, 0.2, 0.5, 1.3, 0.0])  # the last input can teach nothing

exercise_4 = Exercise(
    name="batchbald.exercise_4",
    title="Draw a batch with Gumbel noise",
    answer=power_batch,
    explanation="β times the log-score plus Gumbel noise, and the b largest: a sort in place of b draws one after the other.",
    hints=(
        "The weight is score^β. What is its logarithm?",
        "If u is uniform on (0, 1), then -log u is exponential, and -log(-log u) is Gumbel noise.",
        "Add the noise to the log-weights; the largest key is the first draw: `keys.topk(batch_size).indices.tolist()`.",
    ),
    cases=(
        (SCORES, 1.0, UNIFORMS, 3),
        (SCORES, 6.0, UNIFORMS, 3),
        (torch.tensor([0.1, 0.3, 0.8, 0.5, 0.2]), 0.5, torch.tensor([0.9, 0.5, 0.2, 0.3, 0.97]), 5),
        (torch.tensor([0.4, 0.05, 0.9, 0.8, 0.0]), 2.0, torch.tensor([0.5, 0.99, 0.3, 0.02, 0.7]), 4),
    ),
    mistakes=(
        Mistake(
            lambda scores_N, beta, uniforms_N, batch_size: scores_N.topk(batch_size).indices.tolist(),
            "There is no chance in this: it is the top of the scores. Add Gumbel noise to the log-weights first.",
        ),
        Mistake(
            lambda scores_N, beta, uniforms_N, batch_size: power_batch(scores_N, 1.0, uniforms_N, batch_size),
            "You left out β. The weight is score^β, so its logarithm is β times the logarithm of the score.",
        ),
        Mistake(
            lambda scores_N, beta, uniforms_N, batch_size: top(beta * scores_N + gumbel(uniforms_N), batch_size),
            "This is softmax BALD, with the weight e^(β · score). The log-weight of power BALD is β · log(score).",
        ),
        Mistake(
            lambda scores_N, beta, uniforms_N, batch_size: top(beta * scores_N.log() - uniforms_N.log(), batch_size),
            "You added exponential noise, -log u. Gumbel noise takes the logarithm once more: -log(-log u).",
        ),
        Mistake(
            lambda scores_N, beta, uniforms_N, batch_size: top(beta * scores_N.log() - gumbel(uniforms_N), batch_size),
            "The sign of the noise is turned: -log(-log u), with a minus in front of both logarithms.",
        ),
        Mistake(
            lambda scores_N, beta, uniforms_N, batch_size: top(scores_N**beta + gumbel(uniforms_N), batch_size),
            "You added the noise to the weights themselves. It belongs to their logarithms.",
        ),
        Mistake(
            lambda scores_N, beta, uniforms_N, batch_size: top(
                -(beta * scores_N.log() + gumbel(uniforms_N)), batch_size
            ),
            "You took the smallest keys. The largest key is the first draw.",
        ),
        Mistake(
            lambda scores_N, beta, uniforms_N, batch_size: power_batch(scores_N, beta, uniforms_N, batch_size)[::-1],
            "The right places in the wrong order. The largest key is the first draw.",
        ),
        Mistake(
            lambda scores_N, beta, uniforms_N, batch_size: top(beta * scores_N.log() + uniforms_N, batch_size),
            "You added the uniform number itself. Make Gumbel noise of it first: -log(-log u).",
        ),
    ),
)


def gumbel(uniforms_N):
    return -(-uniforms_N.log()).log()


def top(keys_N, batch_size):
    return keys_N.topk(batch_size).indices.tolist()
