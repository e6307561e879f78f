"""Faults planted in moves, claims and handlers."""

from tests.support.histories import (
    DONE,
    LIFE,
    PENDING,
    a_task,
    end,
    event,
    fault,
    judged,
    move,
    read,
    refuted,
    sign,
    start,
    submit,
)

CANCELLED = a_task("cancelled", 2, 0)


def test_a_final_state_that_was_left_without_a_retry_is_an_illegal_move():
    again = a_task("completed", 6, 2)
    life = (*LIFE, start(5, 2), end(6, 2))

    assert refuted(judged(*life, read(4, DONE), end=[again])) == {"illegal moves"}
    assert judged(*life, read(4, DONE), move(4.5, "retry", None), end=[again]).proved


def test_a_state_that_nothing_leads_to_is_an_illegal_move():
    verdict = judged(*LIFE, read(2.5, a_task("scheduled", 2, 0)), end=[a_task("completed", 3, 1)])

    assert refuted(verdict) == {"illegal moves"}


def test_a_story_that_cannot_be_is_an_illegal_move():
    story = [event(1, "submitted"), event(2, "claimed", 1), event(3, "due", 1), event(4, "claimed", 2)]
    story.append(event(5, "completed", 2))
    done = a_task("completed", 5, 2)
    verdict = judged(submit(1, PENDING), start(2), start(5, 2), end(6, 2), end=[done], story=story)

    assert refuted(verdict) == {"illegal moves"}


def test_a_story_that_ends_otherwise_than_its_task_is_an_illegal_move():
    story = [event(1, "submitted"), event(2, "claimed", 1), event(3, "failed", 1)]
    verdict = judged(*LIFE, end=[DONE], story=story)

    assert refuted(verdict) == {"illegal moves"}


def test_a_start_under_a_claim_that_somebody_has_taken_is_late():
    twice = a_task("completed", 5, 2)
    verdict = judged(submit(1, PENDING), start(2, 2), start(2.5, 1, 101), end(2.6, 1, 101), end(3, 2), end=[twice])

    assert refuted(verdict) == {"late starts"}


def test_a_start_under_a_claim_that_was_seen_lost_is_late():
    lost = a_task("pending", 3, 1, reason="worker_lost")
    life = [submit(1, PENDING), read(2, lost), start(5, 2, 101), end(6, 2, 101)]
    verdict = judged(*life, start(4), end(4.1), end=[a_task("completed", 5, 2)])

    assert refuted(verdict) == {"late starts"}


def test_a_process_that_wakes_in_the_middle_of_one_start_may_finish_it_and_no_other():
    rows = [a_task("completed", 5, 2, id=id_) for id_ in "xy"]
    stop = (sign(1, "stopped"), sign(9, "continued"))
    life = {id_: [start(5, 2, 101, id=id_), end(6, 2, 101, id=id_)] for id_ in "xy"}
    late = {id_: [start(9.01, id=id_), end(9.02, id=id_)] for id_ in "xy"}

    assert judged(*stop, *life["x"], *late["x"], end=rows[:1]).proved
    assert refuted(judged(*stop, *life["x"], *late["x"], *life["y"], *late["y"], end=rows)) == {"late starts"}


def test_a_start_after_a_cancel_that_was_answered_is_found():
    asked = (submit(1, PENDING), move(2, "cancel", 200, CANCELLED))
    retried = a_task("completed", 5, 1)
    late = (start(3), end(3.1))

    assert "after cancel" in refuted(judged(*asked, *late, end=[CANCELLED]))
    assert judged(*asked, move(2.5, "retry", 503), *late, end=[retried]).proved


def test_an_attempt_after_one_that_was_asked_to_stop_is_found():
    asked = move(2.5, "cancel", 202, a_task("running", 3, 1))
    verdict = judged(*LIFE, asked, start(5, 2), end(6, 2), end=[a_task("completed", 6, 2)])

    assert refuted(verdict) == {"after cancel"}


def test_an_overlap_that_is_too_long_is_found():
    life = (submit(1, PENDING), start(2), start(6, 2, 101))
    done = [a_task("completed", 5, 2)]

    assert judged(*life, end(8.5, 1), end(9.5, 2, 101), end=done).proved
    assert refuted(judged(*life, end(9.5, 1), end(9.6, 2, 101), end=done)) == {"overlaps"}


def test_the_time_in_which_a_process_stood_still_is_no_overlap():
    life = (submit(1, PENDING), start(2), start(6, 2, 101), end(40, 1), end(41, 2, 101))
    stop = (sign(3, "stopped"), sign(38, "continued"))

    assert judged(*life, *stop, end=[a_task("completed", 5, 2)]).proved


def test_the_time_in_which_the_database_was_away_is_no_overlap():
    life = (submit(1, PENDING), start(2), start(6, 2, 101), end(40, 1), end(41, 2, 101))

    assert judged(*life, fault(3, 35, "store+broker"), end=[a_task("completed", 5, 2)]).proved
    assert not judged(*life, fault(3, 35, "cache"), end=[a_task("completed", 5, 2)]).proved


def test_a_killed_process_ends_its_handlers():
    life = (submit(1, PENDING), start(2), sign(7, "killed"), start(6, 2, 101), end(41, 2, 101))

    assert judged(*life, end=[a_task("completed", 5, 2)]).proved


def test_a_thread_that_nobody_can_stop_is_no_overlap():
    life = (submit(1, PENDING), start(2, type="torture.blocking"), start(6, 2, 101), end(40, 1), end(41, 2, 101))

    assert judged(*life, end=[a_task("completed", 5, 2)]).proved
