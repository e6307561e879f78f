"""An extractive summary by TextRank: the sentences that most other sentences share their words with.

R. Mihalcea and P. Tarau, "TextRank: Bringing Order into Texts", EMNLP 2004. Sentences are the nodes of a graph, the
weight of an edge is the number of words that two sentences share, divided by the logarithms of their lengths, and
PageRank over that graph ranks them. No model is downloaded, and equal input gives equal output.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import log

from tour import prose

DAMPING = 0.85
"""The paper's, after S. Brin and L. Page, "The anatomy of a large-scale hypertextual Web search engine", 1998."""
TOLERANCE, MOST_ROUNDS = 1e-6, 100
FEWEST_WORDS = 4
"""Shorter sentences say too little to stand in a summary."""
MOST_SENTENCES = 1_500
"""The graph grows with the square of this."""

Tell = Callable[[float, str], None]
Edges = list[list[tuple[int, float]]]

_STOP_WORDS = """
    a about after again all also am an and any are as at be because been before but by can could did do does
    down for from get go had has have having he her here hers herself him himself his how i i'll i'm i've if in
    into is it it's its itself just like may me might more most much must my no nor not now of off on one only
    or other our out over own quite said same shall she should so some such than that the their them then there
    these they this those through to too under until up upon us very was we well were what when where which
    while who whom why will with would you your
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())
"""English words that tie any sentence to any other."""


@dataclass(frozen=True, slots=True)
class Picked:
    position: int
    """Its place among all sentences of the text, from 0."""
    score: float
    """Its rank; the mean of all sentences is 1."""
    sentence: str


@dataclass(frozen=True, slots=True)
class Summary:
    text: str
    sentences: list[Picked]
    """In the order of the text."""
    shortened_to: float
    """The share of the text's characters that is left."""


class TooManySentences(ValueError):
    """The text has more sentences than the graph may have nodes."""


def summarise(text: str, count: int, tell: Tell) -> Summary:
    """The ``count`` best sentences of the text, in its order; ``tell`` hears how far the work is."""
    sentences = prose.sentences(text)
    if len(sentences) > MOST_SENTENCES:
        raise TooManySentences(f"The text has {len(sentences)} sentences; at most {MOST_SENTENCES} can be ranked.")
    bags = [_bag(sentence) for sentence in sentences]
    scores = rank(similarities(bags, tell), tell)
    able = [i for i, bag in enumerate(bags) if len(bag) >= FEWEST_WORDS] or list(range(len(sentences)))
    best = sorted(sorted(able, key=lambda i: (-scores[i], i))[:count])
    picked = [Picked(i, round(scores[i], 4), sentences[i]) for i in best]
    summary = " ".join(pick.sentence for pick in picked)
    return Summary(summary, picked, round(len(summary) / max(len(text), 1), 4))


def similarities(bags: list[frozenset[str]], tell: Tell) -> Edges:
    """For each sentence, those that share words with it, and how much."""
    edges: Edges = [[] for _ in bags]
    for i, bag in enumerate(bags):
        if i % 50 == 0:
            tell(0.8 * i / len(bags), f"compared {i} of {len(bags)} sentences")
        for j in range(i):
            weight = _similarity(bag, bags[j])
            if weight > 0:
                edges[i].append((j, weight))
                edges[j].append((i, weight))
    return edges


def rank(edges: Edges, tell: Tell) -> list[float]:
    """PageRank of an undirected weighted graph, by repetition until nothing moves by more than TOLERANCE."""
    outgoing = [sum(weight for _, weight in row) for row in edges]
    scores = [1.0] * len(edges)
    for turn in range(MOST_ROUNDS):
        tell(min(0.8 + 0.02 * turn, 0.99), f"ranked {turn} times")
        following = [
            1 - DAMPING + DAMPING * sum(weight / outgoing[j] * scores[j] for j, weight in row) for row in edges
        ]
        moved = max((abs(a - b) for a, b in zip(scores, following, strict=True)), default=0.0)
        scores = following
        if moved < TOLERANCE:
            break
    return scores


def _bag(sentence: str) -> frozenset[str]:
    return frozenset(word for word in prose.words(sentence) if word not in STOP_WORDS)


def _similarity(one: frozenset[str], other: frozenset[str]) -> float:
    if min(len(one), len(other)) < 2:  # noqa: PLR2004  the logarithm of one word is zero
        return 0.0
    return len(one & other) / (log(len(one)) + log(len(other)))
