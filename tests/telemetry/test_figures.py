"""Counting in plain numbers, adding up what several processes counted, and showing it."""

import os
from pathlib import Path

import pytest

from duly.domain import families
from duly.domain.families import FAMILIES
from duly.domain.figures import MOST_SETS, Figures, Sets, merged
from duly.domain.state import Reason, State
from duly.engine.meter import Meter
from duly.telemetry.counting import counting
from duly.telemetry.exposition import exposition
from duly.telemetry.spool import ENDED_SECONDS, MANY_ENDED, QUIET_SECONDS, Spool
from duly.telemetry.tally import PlainTally
from tests.support.builders import a_task
from tests.support.scrape import samples
from tests.support.telling import Told


def shown(figures: Figures) -> dict[tuple[str, ...], float]:
    return samples(exposition(figures, "")[0].decode())


def submitted(number: int, queue: str = "mail") -> Figures:
    return {families.SUBMITTED.name: {(queue, "send"): [float(number)]}, families.PROCESSES.name: {(): [1.0]}}


def aged(folder: Path, name: str, seconds: float) -> None:
    path = folder / f"{name}.json"
    moment = path.stat().st_mtime - seconds
    os.utime(path, (moment, moment))


def test_a_histogram_counts_up_to_each_bound_and_sums() -> None:
    tally = PlainTally()
    for value in (0.0005, 0.001, 0.3, 100.0):
        tally.observe(families.LOOP_LAG, value)

    found = shown(tally.figures())

    assert found["duly_loop_lag_seconds_bucket", "0.001"] == 2
    assert found["duly_loop_lag_seconds_bucket", "0.5"] == 3
    assert found["duly_loop_lag_seconds_bucket", "+Inf"] == 4
    assert found["duly_loop_lag_seconds_sum",] == pytest.approx(100.3015)


def test_what_has_not_happened_yet_is_shown_as_nought() -> None:
    assert shown(PlainTally().figures())["duly_lost_leases_total",] == 0


@pytest.mark.parametrize(
    ("state", "reason", "outcome"),
    [
        (State.COMPLETED, None, "completed"),
        (State.FAILED, Reason.TIMEOUT, "failed"),
        (State.CANCELLED, Reason.CANCELLED, "cancelled"),
        (State.SCHEDULED, Reason.HANDLER_ERROR, "retried"),
        (State.SCHEDULED, Reason.TIMEOUT, "retried"),
        (State.SCHEDULED, Reason.SNOOZED, "put_back"),
        (State.PENDING, Reason.INTERRUPTED, "put_back"),
    ],
)
def test_an_attempt_is_counted_by_what_became_of_its_task(state: State, reason: Reason | None, outcome: str) -> None:
    meter = Meter("process-1")
    task = a_task(queue="mail", type="send", state=state, reason=reason)

    meter.settled(task, task.timeout.total_seconds())

    found = shown(meter.figures())
    assert found["duly_settled_attempts_total", outcome, "mail", "send"] == 1
    assert sum(value for name, value in found.items() if name[0] == "duly_settled_attempts_total") == 1


def test_a_meter_that_was_taken_still_shows_all_it_ever_counted() -> None:
    meter = Meter("process-1")
    task = a_task(queue="mail", type="send")
    meter.submitted(task)
    meter.take(task.created_at)
    meter.submitted(task)

    assert shown(meter.figures())["duly_submitted_tasks_total", "mail", "send"] == 2
    assert [row.submitted for row in meter.take(task.created_at)] == [1]


@pytest.mark.mistake(48)
def test_queues_that_clients_make_up_grow_no_labels_without_end() -> None:
    meter, tally = Meter("process-1"), PlainTally()
    for number in range(MOST_SETS + 50):
        meter.submitted(a_task(queue=f"queue-{number}", type="send"))
        tally.add(families.CLAIMS_EMPTY, f"queue-{number}")

    found = shown(meter.figures() | tally.figures())

    assert found["duly_submitted_tasks_total", "queue-0", "send"] == 1
    assert found["duly_submitted_tasks_total", "other", "other"] == 50
    assert found["duly_settled_attempts_total", "completed", "other", "other"] == 0
    assert len([name for name in found if name[0] == "duly_submitted_tasks_total"]) == MOST_SETS + 1
    assert len([name for name in found if name[0] == "duly_empty_claims_total"]) == MOST_SETS + 1


@pytest.mark.mistake(48)
def test_processes_that_know_different_queues_together_know_no_more_than_one_may() -> None:
    many = [submitted(1, f"queue-{number}") for number in range(MOST_SETS + 50)]

    found = shown(merged(many, FAMILIES, Sets()))

    assert found["duly_submitted_tasks_total", "other", "other"] == 50


def test_counters_add_up_and_of_two_healths_the_worse_and_of_two_sweeps_the_newer_counts() -> None:
    one = submitted(2) | {families.PART_UP.name: {("broker",): [1.0]}, families.SWEPT.name: {(): [100.0]}}
    other = submitted(3) | {families.PART_UP.name: {("broker",): [0.0]}, families.SWEPT.name: {(): [90.0]}}

    whole = merged([one, other], FAMILIES, Sets())

    assert whole[families.SUBMITTED.name] == {("mail", "send"): [5.0]}
    assert whole[families.PART_UP.name] == {("broker",): [0.0]}
    assert whole[families.SWEPT.name] == {(): [100.0]}
    assert whole[families.PROCESSES.name] == {(): [2.0]}


def test_figures_of_another_version_are_left_out() -> None:
    strange: Figures = {"duly_of_tomorrow": {(): [1.0]}, families.WAIT.name: {("mail", "send"): [1.0, 2.0]}}

    assert shown(merged([strange, submitted(1)], FAMILIES, Sets())) == shown(submitted(1))


async def test_rare_events_are_counted_by_themselves_and_other_warnings_by_their_name() -> None:
    tally, told = PlainTally(), Told()
    emit = counting(tally, told)

    emit("lease.lost", {"task": "1"})
    emit("lease.expired", {"queue": "mail"})
    emit("loop.failed", {"loop": "sweep"})
    emit("worker.started", {})
    emit("task.settled", {"outcome": "failed"})

    found = shown(tally.figures())
    assert found["duly_lost_leases_total",] == 1
    assert found["duly_expired_leases_total", "mail"] == 1
    assert [name for name in found if name[0] == "duly_events_total"] == [("duly_events_total", "loop.failed")]
    assert len(told.events) == 5


class Watch:
    """Counts the machine's running time."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


class TestSpool:
    def test_each_finds_what_the_others_have_told(self, tmp_path: Path) -> None:
        one, other = Spool(tmp_path, "one"), Spool(tmp_path, "other")
        one.tell(submitted(1))
        one.tell(submitted(2))
        other.tell(submitted(3))

        assert one.others() == [submitted(3)]
        assert merged(Spool(tmp_path).others(), FAMILIES, Sets()) == {
            families.SUBMITTED.name: {("mail", "send"): [5.0]},
            families.PROCESSES.name: {(): [2.0]},
        }

    def test_of_one_that_has_ended_only_what_lasts_counts(self, tmp_path: Path) -> None:
        Spool(tmp_path, "one").tell(submitted(2))
        aged(tmp_path, "one", QUIET_SECONDS + 1)

        (found,) = Spool(tmp_path, "other").others()

        assert found == {families.SUBMITTED.name: {("mail", "send"): [2.0]}}

    def test_files_of_the_ended_become_one_and_nothing_is_counted_twice(self, tmp_path: Path) -> None:
        for number in range(MANY_ENDED):
            Spool(tmp_path, f"old-{number}").tell(submitted(1))
        watch = Watch()
        reader = Spool(tmp_path, "reader", watch)
        reader.others()
        watch.now += ENDED_SECONDS + 1
        reader.others()

        assert len(list(tmp_path.glob("*.json"))) == 1
        assert merged(reader.others(), FAMILIES, Sets())[families.SUBMITTED.name] == {("mail", "send"): [MANY_ENDED]}

    def test_processes_that_look_old_after_a_sleep_are_not_taken_for_ended(self, tmp_path: Path) -> None:
        """They were folded into one file, and what they counted later was left out until they were restarted."""
        siblings = [Spool(tmp_path, f"sibling-{number}") for number in range(MANY_ENDED)]
        watch = Watch()
        reader = Spool(tmp_path, "reader", watch)
        for number, sibling in enumerate(siblings):
            sibling.tell(submitted(1))
            aged(tmp_path, f"sibling-{number}", ENDED_SECONDS + 1)
        reader.others()
        watch.now += ENDED_SECONDS - 1
        for sibling in siblings:
            sibling.tell(submitted(2))
        reader.others()
        watch.now += 2

        whole = merged(reader.others(), FAMILIES, Sets())

        assert whole[families.SUBMITTED.name] == {("mail", "send"): [2 * MANY_ENDED]}
        assert whole[families.PROCESSES.name] == {(): [MANY_ENDED]}

    def test_what_was_folded_and_not_deleted_yet_is_not_counted_twice(self, tmp_path: Path) -> None:
        for number in range(MANY_ENDED):
            Spool(tmp_path, f"old-{number}").tell(submitted(1))
        watch = Watch()
        reader = Spool(tmp_path, "reader", watch)
        reader.others()
        watch.now += ENDED_SECONDS + 1
        reader.others()
        Spool(tmp_path, "old-0").tell(submitted(1))

        assert merged(reader.others(), FAMILIES, Sets())[families.SUBMITTED.name] == {("mail", "send"): [MANY_ENDED]}

    def test_a_file_that_is_nothing_of_ours_is_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / "strange.json").write_text("[]")
        (tmp_path / "broken.json").write_text("{")

        assert Spool(tmp_path, "one").others() == []
