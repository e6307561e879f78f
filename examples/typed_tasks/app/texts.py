"""Counting texts, and summing them up. Knows nothing of tasks."""

import re
from collections import Counter
from dataclasses import dataclass

_WORD = re.compile(r"[^\W_]+(?:['\u2019\-][^\W_]+)*")
_SENTENCE_END = re.compile(r"(?<=[.!?\u2026])[\"'\u201d\u2019)]*\s+")
_COMMON = """
    a about after all also an and any are as at be because been but by can could did do for from had has have he her
    his i if in into is it its just may more most my no not of on one only or our out over she so some such than that
    the their them then there these they this those to too up was we were what when which who will with would you your
"""
_STOP_WORDS = frozenset(_COMMON.split())


@dataclass(frozen=True, slots=True)
class Counts:
    words: int
    sentences: int
    characters: int
    frequencies: dict[str, int]
    """The most frequent words, those first; equals in the order of the alphabet."""


@dataclass(frozen=True, slots=True)
class Batch:
    items: int
    words: int
    results: list[Counts]
    """In the order of the items."""


@dataclass(frozen=True, slots=True)
class Summary:
    summary: str
    sentences: int
    """How many the text has."""
    kept: float
    """The share of its characters that is left."""


def count(text: str, top: int) -> Counts:
    """Count a text; ``top`` is how many frequent words are named."""
    words = _words(text)
    ranked = sorted(Counter(words).items(), key=lambda item: (-item[1], item[0]))
    return Counts(len(words), len(_sentences(text)), len(text), dict(ranked[:top]))


def batch(counted: list[Counts]) -> Batch:
    """All of them together."""
    return Batch(len(counted), sum(counts.words for counts in counted), counted)


def summarise(text: str, most: int) -> Summary:
    """The sentences whose words the text uses most, in its own order.

    After H. P. Luhn, "The Automatic Creation of Literature Abstracts" (1958): frequent words that are not stop words
    carry the matter, and a sentence weighs what its words weigh, divided by its length, so that size does not win.
    """
    sentences = _sentences(text)
    weights = Counter(word for word in _words(text) if word not in _STOP_WORDS)
    ranked = sorted(range(len(sentences)), key=lambda i: (-_weight(sentences[i], weights), i))
    summary = " ".join(sentences[i] for i in sorted(ranked[:most]))
    return Summary(summary, len(sentences), round(len(summary) / len(text), 4))


def _weight(sentence: str, weights: Counter[str]) -> float:
    words = _words(sentence)
    return sum(weights[word] for word in words) / (len(words) + 3)  # very short ones say little


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text)]


def _sentences(text: str) -> list[str]:
    folded = " ".join(text.split())
    return [sentence for sentence in _SENTENCE_END.split(folded) if sentence]
