"""Faults planted in what was seen of a task: lost, stuck, gone back."""

import pytest

from duly.torture.history import Settled
from tests.support.histories import (
    DONE,
    LIFE,
    PENDING,
    RUNNING,
    a_task,
    end,
    event,
    judged,
    move,
    read,
    refuted,
    start,
    submit,
)


def test_a_clean_history_refutes_nothing():
    verdict = judged(*LIFE, read(2.5, RUNNING), read(4, DONE), end=[DONE])

    assert verdict.proved
    assert verdict.line == (
        "lost 0 · doubled 0 · stuck 0 · unearned 0 · went back 0 · illegal moves 0 · late starts 0 · after cancel 0 · "
        "overlaps 0 · innocent poison 0 · split keys 0 · untold 0 · unsigned 0"
    )


def test_what_was_accepted_and_is_gone_is_lost():
    verdict = judged(submit(1, PENDING))

    assert refuted(verdict) == {"lost"}
    assert [line.text.split(": ")[-1] for line in verdict.findings["lost"][0].history] == [
        "pending, version 1, attempt 0",
        "no such task",
    ]


def test_what_was_accepted_and_then_not_found_was_lost_meanwhile():
    verdict = judged(*LIFE, read(1.5, None, 404), end=[DONE])

    assert refuted(verdict) == {"lost"}


def test_a_read_that_was_sent_before_the_answer_may_find_nothing():
    verdict = judged(*LIFE, read(1.005, None, 404), end=[DONE])

    assert verdict.proved


def test_a_submit_without_an_answer_may_be_nowhere():
    verdict = judged(submit(1, None, None), submit(2, None, 503))

    assert verdict.proved


@pytest.mark.parametrize("reason", ["behind_others", "no_worker"])
def test_what_waits_for_nothing_is_stuck(reason):
    verdict = judged(submit(1, PENDING), end=[PENDING | {"waiting": {"reason": reason}}])

    assert refuted(verdict) == {"stuck"}


def test_what_runs_at_the_end_is_stuck():
    verdict = judged(submit(1, PENDING), start(2), end=[RUNNING])

    assert refuted(verdict) == {"stuck"}


def test_a_completion_without_a_handler_that_returned_is_unearned():
    verdict = judged(submit(1, PENDING), start(2), end(3, how="raised"), end=[DONE])

    assert refuted(verdict) == {"unearned"}


def test_two_starts_of_one_claim_are_doubled():
    verdict = judged(*LIFE, start(2.1, pid=101), end(2.2, pid=101), end=[DONE])

    assert "doubled" in refuted(verdict)
    assert refuted(verdict) <= {"doubled", "overlaps"}


def test_two_states_of_one_version_are_doubled():
    lost = a_task("pending", 3, 1, reason="worker_lost")
    verdict = judged(*LIFE, read(4, lost), end=[DONE])

    assert refuted(verdict) == {"doubled"}


def test_two_settles_of_one_claim_are_doubled():
    twice = [
        event(1, "submitted"),
        event(2, "claimed", 1),
        event(3, "lease_lost", 1),
        event(4, "claimed", 2),
        event(5, "failed", 1),
    ]
    failed = a_task("failed", 5, 2)
    verdict = judged(submit(1, PENDING), start(2), start(5, 2, 101), end(6, 2, 101), end=[failed], story=twice)

    assert refuted(verdict) == {"doubled"}


def test_two_settles_of_one_claim_by_the_logs_are_doubled():
    settles = [Settled("one", 1, "completed", "10:30", f"worker-{number}.log") for number in (1, 2)]
    verdict = judged(*LIFE, end=[DONE], settles=settles)

    assert refuted(verdict) == {"doubled"}


def test_an_older_version_at_the_end_went_back():
    verdict = judged(submit(1, PENDING), start(2), end(3), read(4, a_task("completed", 5, 1)), end=[DONE])

    assert refuted(verdict) == {"went back"}


def test_an_older_version_than_the_one_named_went_back():
    verdict = judged(*LIFE, read(4, RUNNING, since='W/"3.0"', etag='W/"2.0"'), end=[DONE])

    assert refuted(verdict) == {"went back"}


def test_older_progress_than_that_named_went_back():
    verdict = judged(*LIFE, read(2.5, RUNNING, since='W/"2.4"', etag='W/"2.3"'), end=[DONE])

    assert refuted(verdict) == {"went back"}


def test_a_read_that_names_nothing_may_be_a_little_behind_and_no_more():
    seen = read(4, DONE)

    assert judged(*LIFE, seen, read(5.5, RUNNING), end=[DONE]).proved
    assert refuted(judged(*LIFE, seen, read(6.5, RUNNING), end=[DONE])) == {"went back"}


def test_reads_that_were_under_way_at_the_same_time_are_not_compared():
    verdict = judged(*LIFE, read(4, DONE), read(2.5, RUNNING, answered=60.0), end=[DONE])

    assert verdict.proved


def test_a_stream_that_tells_an_older_version_went_back():
    stream = [read(2, task, via="stream", answered=t) for t, task in ((4.0, DONE), (4.1, RUNNING))]
    verdict = judged(*LIFE, *stream, end=[DONE])

    assert refuted(verdict) == {"went back"}


def test_a_move_is_never_answered_with_an_older_version():
    verdict = judged(*LIFE, read(4, DONE), move(4.1, "cancel", 202, RUNNING), end=[DONE])

    assert refuted(verdict) == {"went back"}


def test_an_attempt_that_the_table_does_not_know_went_back():
    verdict = judged(*LIFE, start(5, 2), end(6, 2), end=[DONE])

    assert refuted(verdict) == {"went back"}
