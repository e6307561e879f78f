"""Which idle connections are tried after one gave no answer."""

from duly.stores.sql.doubt import Doubt


def test_where_nobody_was_answered_what_was_heard_of_before_is_not_tried() -> None:
    doubt = Doubt()
    before = doubt.heard()

    doubt.cast(began=before + 1)

    assert doubt.covers(before)
    assert not doubt.covers(before + 2)


def test_where_others_were_answered_meanwhile_all_are_tried() -> None:
    """Once, a busy machine's time-outs had all connections opened anew, which made more time-outs, without an end."""
    doubt = Doubt()
    before = doubt.heard()
    began = before - 1

    doubt.cast(began)

    assert not doubt.covers(before - 2)
