"""Real Celery workers: whatever pool and broker they have, status, retries, cancels and recovery are Duly's."""

import os
import signal
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.brokers.fleet import Fleet, a_fleet
from tests.support.processes import eventually
from tests.support.servers import RabbitServer, RedisServer, ended
from tests.system.scene import eventually_found, gone

PREFORK = ("-P", "prefork", "-c", "2")
THREADS = ("-P", "threads", "-c", "2")
SOLO = ("-P", "solo")
LEAVE = 3.0
"""Seconds in which a busy machine takes leave of a process that has ended."""


@pytest.fixture(scope="module")
def on_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    with ended(server), a_fleet(tmp_path_factory.mktemp("fleet"), f"celery+{server.url}") as fleet:
        yield fleet


@pytest.fixture(scope="module")
def on_rabbitmq(tmp_path_factory: pytest.TempPathFactory, rabbit: RabbitServer) -> Iterator[Fleet]:
    with a_fleet(tmp_path_factory.mktemp("fleet"), f"celery+{rabbit.url}") as fleet:
        yield fleet


@pytest.fixture(params=["on_redis", pytest.param("on_rabbitmq", marks=pytest.mark.full)])
def fleet(request: pytest.FixtureRequest) -> Fleet:
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("pool", [PREFORK, THREADS, SOLO], ids=["prefork", "threads", "solo"])
@pytest.mark.mistake(19)
def test_a_task_runs_in_a_celery_worker_and_duly_tells_its_result(fleet, pool):
    scene = fleet.scene
    with fleet.worker(*pool) as worker:
        tasks = [scene.one("quick", number=7), *(scene.one(f"hold.{kind}", gate="/") for kind in ("async", "thread"))]
        done = scene.final(*tasks)

        assert [task.result for task in done] == [7, "through", "through"]
        assert {task.attempt for task in done} == {1}
        own = worker.children() if pool is PREFORK else [worker.pid]
        assert {effect.pid for task in tasks for effect in scene.effects.of(task)} <= set(own)


@pytest.mark.mistake(30)
def test_a_child_that_is_killed_has_its_task_run_again_and_charged_a_crash(fleet):
    scene, gate = fleet.scene, fleet.scene.gate()
    with fleet.worker(*PREFORK):
        task = scene.one("hold.thread", gate=str(gate))
        os.kill(scene.effects.pid(task), signal.SIGKILL)
        scene.effects.pid(task, attempt=2)
        gate.touch()
        done = scene.final(task)[0]

    assert (done.state, done.result, done.attempt, done.failures) == ("completed", "through", 2, 0)
    assert scene.story(task)["lease_lost"] == 1


@pytest.mark.full
@pytest.mark.mistake(30)
def test_a_whole_worker_that_is_killed_has_its_task_run_again_by_another(fleet):
    scene, gate = fleet.scene, fleet.scene.gate()
    with fleet.worker(*PREFORK) as worker:
        task = scene.one("hold.async", gate=str(gate))
        scene.effects.pid(task)
        children = worker.children()
        os.kill(worker.pid, signal.SIGKILL)
        eventually(lambda: all(map(gone, children)))
    with fleet.worker(*THREADS) as other:
        assert scene.effects.pid(task, attempt=2) == other.pid
        gate.touch()

        assert scene.final(task)[0].result == "through"


def test_the_cancel_of_a_handler_that_pays_no_attention_revokes_its_message_and_ends_its_child(fleet):
    scene = fleet.scene
    with fleet.worker(*PREFORK, "-E") as worker:
        task = scene.one("stubborn")
        child = scene.effects.pid(task)
        ours = eventually_found(lambda: fleet.active(task))
        scene.client.cancel(task)
        done = scene.final(task)[0]
        eventually(lambda: gone(child))

        assert (done.state, done.attempt) == ("cancelled", 1)
        eventually(lambda: fleet.celery.control.inspect().revoked() == {ours.worker: [ours.celery_id]})
        assert scene.final(scene.one("quick"))[0].state == "completed"
    assert worker.said(f"Terminating {ours.celery_id}")


@pytest.mark.full
@pytest.mark.parametrize("pool", [PREFORK, THREADS, SOLO], ids=["prefork", "threads", "solo"])
def test_the_cancel_of_a_handler_that_listens_ends_it_and_nothing_else(on_redis, pool):
    scene, gate = on_redis.scene, on_redis.scene.gate()
    with on_redis.worker(*pool) as worker:
        tasks = [scene.one("hold.async", gate=str(gate)), scene.one("hold.thread", gate=str(gate))]
        for task in tasks:
            pid = scene.effects.pid(task)
            scene.client.cancel(task)
            assert scene.final(task)[0].state == "cancelled"
            assert scene.effects.words(task) == ["start", "told"]
            assert not gone(pid)
    assert not worker.said("Terminating")


@pytest.mark.full
@pytest.mark.parametrize("pool", [PREFORK, THREADS, SOLO], ids=["prefork", "threads", "solo"])
@pytest.mark.mistake(43)
def test_a_worker_that_is_told_to_end_puts_back_what_does_not_end_within_the_grace(on_redis, pool):
    scene, gate = on_redis.scene, on_redis.scene.gate()
    with on_redis.worker(*pool) as worker:
        task = scene.one("hold.async", gate=str(gate))
        scene.effects.pid(task)
        assert worker.stop() == 0
        put_back = scene.client.get(task)

    assert (put_back.state, put_back.attempt, put_back.failures) == ("pending", 1, 0)
    assert "lease_lost" not in scene.story(task)
    scene.client.cancel(task)


@pytest.mark.parametrize("kind", ["stubborn.async", pytest.param("stubborn", marks=pytest.mark.full)])
@pytest.mark.mistake(43)
def test_a_worker_under_load_whose_handlers_do_not_end_is_gone_when_its_grace_is_over(on_redis, kind):
    """Once, all that follows the work began only then, and Celery's pool slept for seconds beside: ten in all."""
    scene = on_redis.scene
    with on_redis.worker("-P", "prefork", "-c", "4", DULY_GRACE="6s") as worker:
        tasks = scene.submit(kind, 2)
        for task in tasks:
            scene.effects.pid(task)
        load = scene.submit("quick", 100)
        asked = time.monotonic()
        code = worker.stop()
        took = time.monotonic() - asked
    left = [scene.client.get(task) for task in tasks]
    for task in tasks:
        scene.client.cancel(task)

    assert (code, worker.said("process.overdue")) == (0, False)
    assert took < 6 + LEAVE
    assert [(task.state, task.reason, task.attempt, task.failures) for task in left] == [
        ("pending", "interrupted", 1, 0)
    ] * 2
    assert [scene.story(task)["lease_lost"] for task in [*tasks, *load]] == [0] * 102


@pytest.mark.mistake(43)
def test_a_worker_is_gone_when_its_grace_is_over_although_a_child_stands_still(on_redis):
    """Once, it waited as long as the child."""
    scene = on_redis.scene
    with on_redis.worker(*PREFORK, DULY_GRACE="3s") as worker:
        task = scene.one("block", seconds=60)
        child = scene.effects.pid(task)
        asked = time.monotonic()
        code = worker.stop()
        took = time.monotonic() - asked
        eventually(lambda: gone(child))
    scene.client.cancel(task)

    assert (code, worker.said("process.overdue")) == (0, True)
    assert took < 3 + LEAVE


@pytest.mark.mistake(43)
def test_a_worker_that_ends_does_not_wait_for_a_child_that_was_killed(on_redis):
    scene, gate = on_redis.scene, on_redis.scene.gate()
    with on_redis.worker(*PREFORK, DULY_GRACE="60s") as worker:
        task = scene.one("hold.thread", gate=str(gate))
        child = scene.effects.pid(task)
        worker.process.send_signal(signal.SIGTERM)
        eventually(lambda: worker.said("worker.stopped"))  # the other child
        os.kill(child, signal.SIGKILL)
        asked = time.monotonic()
        assert worker.process.wait(100) == 0
        took = time.monotonic() - asked
    scene.client.cancel(task)

    assert took < 20  # a busy machine; a third of its grace


@pytest.mark.full
def test_what_ends_within_the_grace_ends_well(fleet):
    scene, gate = fleet.scene, fleet.scene.gate()
    with fleet.worker(*PREFORK, DULY_GRACE="60s") as worker:
        task = scene.one("hold.thread", gate=str(gate))
        scene.effects.pid(task)
        worker.process.send_signal(signal.SIGTERM)
        eventually(lambda: worker.said("Warm shutdown"))
        gate.touch()
        assert worker.process.wait(60) == 0

    assert scene.client.get(task).result == "through"


@pytest.mark.full
def test_what_is_lost_with_the_broker_is_announced_again(fleet):
    scene = fleet.scene
    tasks = scene.submit("quick", 20)
    eventually(lambda: fleet.messages("default") >= 20)
    fleet.purge("default")
    with fleet.worker(*PREFORK):
        assert {task.state for task in scene.final(*tasks)} == {"completed"}
    assert all(scene.effects.words(task) == ["start", "end"] for task in tasks)


def test_a_failed_attempt_is_retried_by_duly_and_announced_under_a_new_id(fleet):
    scene = fleet.scene
    with fleet.worker(*SOLO) as worker:
        task = scene.one("fails.once")
        done = scene.final(task)[0]

    assert (done.state, done.attempt, done.failures) == ("completed", 2, 1)
    assert scene.story(task)["retry_scheduled"] == 1
    received = worker.received(task)
    assert len(received) == len(set(received)) >= 2
    assert not worker.said("Retry in")


@pytest.mark.full
def test_the_most_urgent_of_what_waits_runs_first(fleet):
    scene, gate = fleet.scene, fleet.scene.gate()
    with fleet.worker("-P", "prefork", "-c", "1"):
        first = scene.one("hold.thread", gate=str(gate))
        scene.effects.pid(first)
        ahead = scene.one("quick")  # the one message that the worker takes ahead
        eventually(lambda: fleet.reserved(ahead))
        by_priority = {number: scene.client.submit("quick", {}, priority=number).id for number in (0, 4, 9, 7, 2)}
        eventually(lambda: fleet.messages("default") >= 5)
        gate.touch()
        scene.final(*by_priority.values())

    order = [effect.task for effect in scene.effects.all() if effect.word == "start"]
    assert [number for task in order for number, id_ in by_priority.items() if id_ == task] == [9, 7, 4, 2, 0]


@pytest.mark.full
def test_a_worker_runs_the_queues_that_it_is_given_and_no_other(fleet):
    scene = fleet.scene
    with fleet.worker(*PREFORK, "-Q", "elsewhere") as worker:
        there = scene.client.submit("quick", {}, queue="elsewhere").id
        here = scene.one("quick")
        scene.final(there)

        queues = {queue for one in scene.client.workers() if one.pid in worker.children() for queue in one.queues}
        assert queues == {"elsewhere", "duly.system"}
        assert scene.client.get(here).state == "pending"
    scene.client.cancel(here)


def test_the_service_and_the_doctor_name_the_fleet(on_redis):
    scene = on_redis.scene
    with on_redis.worker(*SOLO):
        told = httpx.get(f"{scene.url}/v1/capabilities").json()["broker"]
        # A worker that is busy does not answer a doctor in time.
        eventually(lambda: "default is listened to by celery@" in scene.place.run("doctor").stdout)

    assert (told["kind"], " over redis " in told["version"]) == ("celery", True)
    assert "no Celery worker answers" in scene.place.run("doctor").stdout


@pytest.mark.full
@pytest.mark.mistake(26)
def test_a_task_that_kills_its_child_again_and_again_is_given_up(fleet):
    scene = fleet.scene
    with fleet.worker(*PREFORK):
        done = scene.final(scene.one("poison"))[0]

    assert (done.state, done.reason, done.attempt) == ("failed", "poison", 3)


def test_a_handler_with_a_process_of_its_own_has_it_in_a_celery_child_too(fleet):
    scene, gate = fleet.scene, fleet.scene.gate()
    with fleet.worker(*PREFORK) as worker:
        task = scene.one("hold.process", gate=str(gate))
        assert scene.effects.pid(task) not in (worker.pid, *worker.children())
        gate.touch()

        assert scene.final(task)[0].result == "through"


@pytest.mark.full
def test_flower_and_inspect_show_what_runs(on_redis):
    scene, gate = on_redis.scene, on_redis.scene.gate()
    with on_redis.worker(*PREFORK, "-E"), on_redis.flower() as flower:
        eventually(flower.sees_workers)
        task = scene.one("hold.thread", gate=str(gate))
        active = eventually_found(lambda: on_redis.active(task))
        eventually(lambda: flower.state(active.celery_id) == "STARTED")
        gate.touch()
        scene.final(task)
        eventually(lambda: flower.state(active.celery_id) == "SUCCESS")


def test_messages_that_are_not_ours_run_nothing_and_stop_nobody(on_redis):
    celery = on_redis.celery
    with on_redis.worker(*SOLO) as worker:
        celery.send_task("duly.run", args=["../../etc/passwd", "default"], queue="default")
        celery.send_task("duly.run", args=["01a2042e-3422-7118-83f3-e1223c736b01", "default"], queue="default")
        celery.send_task("os.system", args=["true"], queue="default")
        done = on_redis.scene.final(on_redis.scene.one("quick"))[0]

    assert done.state == "completed"
    assert worker.said("hint.refused")
    assert worker.said("unregistered task")


@pytest.mark.full
def test_another_pool_is_refused_with_the_names_of_those_that_serve(on_redis):
    refused = on_redis.run("-P", "custom", CELERY_CUSTOM_WORKER_POOL="celery.concurrency.base:BasePool")

    assert refused.returncode != 0
    assert "prefork, threads and solo" in refused.stdout
