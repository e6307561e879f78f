"""Paragraphs, sentences and words of a text in any script that separates words by spaces."""

import re

_WORD = re.compile(r"[^\W\d_]+(?:['\u2019\-][^\W\d_]+)*")
_BLANK_LINES = re.compile(r"\n[^\S\n]*(?:\n[^\S\n]*)+")
_CLOSING, _OPENING = r"\"'\u201d\u2019»)\]", r"\"'\u201c\u2018«(\["
_END = re.compile(rf"[.!?…。\uff01\uff1f]+[{_CLOSING}]*\s+(?=[{_OPENING}]*[^\s{_OPENING}a-z])")
_ABBREVIATIONS = frozenset(
    {"mr", "mrs", "ms", "dr", "st", "prof", "gen", "col", "no", "vol", "vs", "etc", "e.g", "i.e"}
)


def paragraphs(text: str) -> list[str]:
    """The paragraphs, each on one line: blank lines divide them, other white space is folded."""
    folded = (" ".join(part.split()) for part in _BLANK_LINES.split(text.replace("\r\n", "\n")))
    return [part for part in folded if part]


def sentences(text: str) -> list[str]:
    """The sentences, in order; no sentence crosses a paragraph."""
    return [sentence for paragraph in paragraphs(text) for sentence in _of_paragraph(paragraph)]


def words(text: str) -> list[str]:
    """The words in lower case; numbers are none, and an apostrophe or hyphen inside a word does not end it."""
    return [word.lower().replace("\u2019", "'") for word in _WORD.findall(text)]


def _of_paragraph(paragraph: str) -> list[str]:
    found, start = [], 0
    for end in _END.finditer(paragraph):
        if not _abbreviated(paragraph[start : end.start()]):
            found.append(paragraph[start : end.end()].strip())
            start = end.end()
    rest = paragraph[start:].strip()
    return [*found, rest] if rest else found


def _abbreviated(before: str) -> bool:
    """Whether the dot belongs to an abbreviation or an initial (``Dr.``, ``J.``) and so ends no sentence."""
    last = before[-12:].rsplit(maxsplit=1)[-1:]
    word = last[0].strip("\"'\u201c\u2018«([") if last else ""
    return word.lower() in _ABBREVIATIONS or (len(word) == 1 and word.isupper() and word != "I")
