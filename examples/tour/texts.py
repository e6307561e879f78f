"""What can be counted in a text, and a text turned round."""

import unicodedata
from collections import Counter
from dataclasses import dataclass

from tour import prose
from tour.summary import STOP_WORDS

WORDS_PER_MINUTE = 238
"""Silent reading of English prose: M. Brysbaert, "How many words do we read per minute?", 2019."""

_ZERO_WIDTH_JOINER = "\u200d"
_SKIN_TONES = ("\U0001f3fb", "\U0001f3ff")
_REGIONAL = ("\U0001f1e6", "\U0001f1ff")


@dataclass(frozen=True, slots=True)
class WordCount:
    word: str
    count: int


@dataclass(frozen=True, slots=True)
class Statistics:
    characters: int
    words: int
    distinct_words: int
    sentences: int
    paragraphs: int
    words_per_sentence: float
    longest_word: str
    reading_minutes: float
    most_frequent: list[WordCount]
    """Words that carry meaning (stop words left out), most frequent first, equals in the order of the alphabet."""


@dataclass(frozen=True, slots=True)
class Reversed:
    text: str


def statistics(text: str, top: int) -> Statistics:
    """Count a text."""
    words, sentences = prose.words(text), prose.sentences(text)
    counts = Counter(word for word in words if word not in STOP_WORDS)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return Statistics(
        characters=len(text),
        words=len(words),
        distinct_words=len(set(words)),
        sentences=len(sentences),
        paragraphs=len(prose.paragraphs(text)),
        words_per_sentence=round(len(words) / max(len(sentences), 1), 2),
        longest_word=max(words, key=len, default=""),
        reading_minutes=round(len(words) / WORDS_PER_MINUTE, 1),
        most_frequent=[WordCount(word, count) for word, count in ranked[:top]],
    )


def reverse(text: str) -> Reversed:
    """The text from its end to its beginning; accents, flags and joined emoji stay whole."""
    return Reversed("".join(reversed(_characters(text))))


def _characters(text: str) -> list[str]:
    """What a reader sees as one character: the common cases of UAX #29, "Unicode Text Segmentation"."""
    seen: list[str] = []
    for char in text:
        if seen and _belongs(char, seen[-1]):
            seen[-1] += char
        else:
            seen.append(char)
    return seen


def _belongs(char: str, before: str) -> bool:
    if char == "\n":
        return before == "\r"
    if unicodedata.category(char) in ("Mn", "Mc", "Me") or char == _ZERO_WIDTH_JOINER:
        return True
    if before[-1] == _ZERO_WIDTH_JOINER or _SKIN_TONES[0] <= char <= _SKIN_TONES[1]:
        return True
    return _regional(char) and len(before) == 1 and _regional(before)


def _regional(char: str) -> bool:
    return _REGIONAL[0] <= char <= _REGIONAL[1]
