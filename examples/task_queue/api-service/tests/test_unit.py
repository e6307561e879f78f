"""What needs no service around it."""

import importlib

import pytest
from pydantic import ValidationError

from handlers import Digest, digest_of

main = importlib.import_module("api-service.main")
FITTING = {"title": "Sample Task", "description": "Process something"}


def test_a_digest_counts_words_and_names_the_frequent_ones() -> None:
    assert digest_of("Ships carry grain. Ships sail.") == Digest(words=5, keywords=["ships", "carry", "grain", "sail"])


@pytest.mark.parametrize("metadata", [{}, {"priority": "high"}, {"priority": "low", "owner": {"id": 7}}])
def test_metadata_may_be_anything_and_stays_as_it_was_given(metadata: dict[str, object]) -> None:
    assert main.NewTask(**FITTING, metadata=metadata).metadata.model_dump(exclude_unset=True) == metadata


@pytest.mark.parametrize(
    "flaw",
    [
        {"title": ""},
        {"title": "x" * 256},
        {"description": ""},
        {"description": "ä" * 32_768},
        {"metadata": {"priority": "urgent"}},
        {"metadata": {"load": float("nan")}},
        {"metadata": ["high"]},
    ],
)
def test_what_the_table_cannot_take_is_refused(flaw: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        main.NewTask(**(FITTING | flaw))


def test_every_state_has_its_word() -> None:
    assert set(main.STATUSES) == set(main.State)
