"""The tour's texts: statistics, reversal, summary."""

from pathlib import Path

import pytest

from tour import prose, summary, texts

INPUTS = Path(summary.__file__).parent / "inputs"
ALICE = (INPUTS / "alice.txt").read_text(encoding="utf-8")
ADDRESS = (INPUTS / "gettysburg.txt").read_text(encoding="utf-8")


def silent(_fraction: float, _note: str) -> None:
    """Nobody listens."""


def test_sentences_end_where_a_reader_ends_them():
    text = "Mr. Hare met Dr. J. Dodo at 3.15 p.m. sharp. “Late?” he asked. It was!\n\nA heading\n\nNo more"

    assert prose.sentences(text) == [
        "Mr. Hare met Dr. J. Dodo at 3.15 p.m. sharp.",
        "“Late?” he asked.",
        "It was!",
        "A heading",
        "No more",
    ]


def test_words_keep_their_apostrophes_and_hyphens():
    assert prose.words("They\u2019ll use the rabbit-hole, won't they? 42!") == [
        "they'll",
        "use",
        "the",
        "rabbit-hole",
        "won't",
        "they",
    ]


def test_statistics_count_a_whole_chapter():
    counted = texts.statistics(ALICE, top=3)

    assert (counted.words, counted.sentences, counted.paragraphs) == (2148, 72, 25)
    assert counted.most_frequent[0] == texts.WordCount("alice", 27)
    assert counted.longest_word == "waistcoat-pocket"
    assert len(counted.most_frequent) == 3


def test_statistics_of_a_text_without_words_are_zero():
    counted = texts.statistics("42 ... 17", top=5)

    assert (counted.words, counted.distinct_words, counted.longest_word) == (0, 0, "")
    assert counted.words_per_sentence == 0.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hello", "olleh"),
        ("e\u0301a", "ae\u0301"),
        ("a\r\nb", "b\r\na"),
        ("a👩\u200d🚀b", "b👩\u200d🚀a"),
        ("🇩🇪🇫🇷", "🇫🇷🇩🇪"),
        ("👍🏽!", "!👍🏽"),
    ],
)
def test_a_reversal_keeps_what_a_reader_sees_as_one_character(text, expected):
    assert texts.reverse(text).text == expected


def test_a_summary_keeps_the_order_of_the_text_and_only_sentences_of_it():
    made = summary.summarise(ADDRESS, 2, silent)

    positions = [pick.position for pick in made.sentences]
    assert positions == sorted(positions)
    assert all(pick.sentence in prose.sentences(ADDRESS) for pick in made.sentences)
    assert made.text.startswith("Now we are engaged in a great civil war")
    assert made.text.endswith("shall not perish from the earth.")
    assert 0 < made.shortened_to < 1


def test_the_ranking_gives_every_sentence_its_share_and_the_mean_is_one():
    edges = [[(1, 1.0), (2, 1.0)], [(0, 1.0)], [(0, 1.0)]]

    scores = summary.rank(edges, silent)

    assert sum(scores) / 3 == pytest.approx(1.0, abs=1e-4)
    assert scores[0] > scores[1] == pytest.approx(scores[2])


def test_a_text_of_one_word_is_its_own_summary():
    assert summary.summarise("Hello", 3, silent).text == "Hello"


def test_white_space_alone_has_an_empty_summary():
    assert summary.summarise("  \n ", 3, silent).text == ""


def test_more_sentences_than_can_be_ranked_are_refused_before_the_work():
    with pytest.raises(summary.TooManySentences, match="2000 sentences"):
        summary.summarise("One two. " * 1999 + "End.", 3, silent)


def test_progress_never_falls():
    heard: list[float] = []

    summary.summarise(ALICE, 3, lambda fraction, _: heard.append(fraction))

    assert heard == sorted(heard)
    assert 0 <= heard[0] <= heard[-1] <= 1
