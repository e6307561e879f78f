"""Histories with one fault in them each: the checker names it, and nothing else."""

import pytest

from duly.torture.checker import PROPERTIES, check
from duly.torture.records import EFFECTS, Final, Pen, Terms, write_final, write_terms
from tests.support.histories import (
    DONE,
    LIFE,
    PENDING,
    TERMS,
    a_task,
    delivery,
    end,
    event,
    judged,
    read,
    refuted,
    sign,
    start,
    submit,
)

TOLD = {"body": {"callback_url": "http://127.0.0.1:1/"}}


def test_only_who_killed_its_process_is_poison():
    poison = a_task("failed", 7, 3, reason="poison")
    life = (submit(1, PENDING), start(2), start(4, 2), start(6, 3))

    assert refuted(judged(*life, end=[poison])) == {"innocent poison"}
    assert refuted(judged(*life, read(9, poison), end=[poison])) == {"innocent poison"}
    assert judged(*life, end(2.1, how="killing"), end=[poison]).proved


def test_two_tasks_of_one_idempotency_key_are_found():
    other = a_task(id="two")
    verdict = judged(
        *LIFE,
        submit(1, PENDING, key="x"),
        start(2, id="two"),
        end(3, id="two"),
        submit(4, other, 200, key="x"),
        end=[DONE, other],
    )

    assert refuted(verdict) == {"split keys"}


def test_a_second_task_of_a_key_that_no_answer_named_is_found():
    tagged = [a_task(id=id_, type="other", tags=["x"]) for id_ in ("one", "two")]
    verdict = judged(submit(1, None, None, key="x", body={"tags": ["x"]}), submit(2, tagged[0], key="x"), end=tagged)

    assert refuted(verdict) == {"split keys"}


def test_two_live_tasks_of_one_key_are_found():
    second = "2026-11-22T10:30:01Z"
    one = a_task(id="one", type="other", key="x", finished_at="2026-11-22T10:30:05Z")
    two = a_task(id="two", type="other", key="x", created_at=second, finished_at=second)

    assert refuted(judged(end=[one, two])) == {"split keys"}
    assert judged(end=[one | {"finished_at": second}, two]).proved


def test_an_end_that_was_never_told_is_found():
    life = (submit(1, PENDING, **TOLD), start(2), end(3))

    assert judged(*life, delivery(4), end=[DONE]).proved
    assert refuted(judged(*life, delivery(4, status=500), end=[DONE])) == {"untold"}
    assert refuted(judged(*life, delivery(4, version=2), end=[DONE])) == {"untold"}


def test_a_delivery_that_waits_for_its_next_try_is_not_missing():
    waits = a_task("scheduled", 3, 1, id="call", type="duly.callback", tags=["one"], waiting={"reason": "retry_wait"})

    assert judged(submit(1, PENDING, **TOLD), start(2), end(3), end=[DONE, waits]).proved


def test_a_callback_that_is_not_signed_is_found():
    forged = delivery(4, **{"webhook-signature": "v1,bm90IGl0"})

    assert refuted(judged(*LIFE, forged, end=[DONE])) == {"unsigned"}


def test_every_property_has_its_fault_planted_here(request):
    """A property that is added later needs a history that it refutes."""
    source = "".join(path.read_text() for path in request.path.parent.glob("test_checker*.py"))

    assert [name for name in PROPERTIES if f'"{name}"' not in source] == []


def test_a_recovery_is_counted_from_the_kill_to_the_next_start():
    life = (submit(1, PENDING), start(2), sign(2.5, "killed"), start(6, 2, 101), end(7, 2, 101))
    verdict = judged(*life, end=[a_task("completed", 5, 2)])

    assert [(one.cause, one.seconds) for one in verdict.recoveries] == [("killed", 3.5)]


def test_refused_writes_are_counted():
    story = [event(1, "submitted"), event(2, "claimed", 1), event(3, "completed", 1), event(2, "write_refused", 1)]
    verdict = judged(*LIFE, end=[DONE], story=story)

    assert verdict.proved
    assert verdict.refused == 1


def test_a_refutation_is_read_from_its_text():
    text = judged(submit(1, PENDING), read(2, None, 404)).text()

    assert "lost: task one: accepted, and not there at the end" in text
    assert "client a, sent 1.000: submit torture.echo -> 202: pending, version 1, attempt 0" in text


def test_a_folder_is_judged(tmp_path):
    with Pen(tmp_path / "client-a.jsonl") as pen, Pen(tmp_path / EFFECTS) as effects:
        pen.write(submit(1, PENDING))
        effects.write(start(2))
        effects.write(end(3))
    (tmp_path / "worker.log").write_text(
        '{"event": "task.settled", "task": "one", "attempt": 1, "outcome": "completed", "timestamp": "x"}\n' * 2
    )
    write_terms(tmp_path, TERMS)
    write_final(tmp_path, Final(tasks=[DONE], logs=["worker.log"]))

    verdict = check(tmp_path)

    assert refuted(verdict) == {"doubled"}
    assert verdict.row == ("0", "1", "0", "0", "0", "–")


def test_a_run_without_an_end_is_not_judged(tmp_path):
    write_terms(tmp_path, Terms(lease=1, renewal=1, grace=1))

    with pytest.raises(FileNotFoundError):
        check(tmp_path)
