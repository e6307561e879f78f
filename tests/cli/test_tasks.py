"""The commands about tasks and queues, against a real service."""

import json
from uuid import uuid4

import pytest

from tests.support.service import Place

pytestmark = pytest.mark.system


def test_submit_waits_and_prints_json_for_programs(call):
    ended = call("submit", "text.reverse", '{"text": "hello"}', "--wait", "--json", "--priority", "9", "--tag", "x")

    task = json.loads(ended.out)
    assert (ended.code, task["state"], task["result"], task["tags"]) == (0, "completed", "olleh", ["x"])


def test_submit_prints_a_table_for_people(call):
    ended = call("submit", "text.reverse", '{"text": "hello"}', "--delay", "5m")

    heads, row = ended.out.splitlines()
    assert heads.split()[:4] == ["ID", "TYPE", "QUEUE", "STATE"]
    assert row.split()[1:4] == ["text.reverse", "default", "scheduled"]


def test_a_payload_may_come_from_a_file(call, tmp_path):
    (tmp_path / "payload.json").write_text('{"text": "hello"}')

    ended = call("submit", "text.reverse", "@payload.json", "--wait", "--json")

    assert json.loads(ended.out)["result"] == "olleh"


def test_waiting_for_a_task_that_fails_is_a_failure(call):
    ended = call("submit", "test.fail", '{"why": "no luck"}', "--wait")

    assert ended.code == 1
    assert "Fail: no luck" in ended.out


@pytest.mark.parametrize("how", ["--wait", "--progress"])
def test_who_waits_is_told_the_result(call, how):
    ended = call("submit", "text.reverse", '{"text": "hello"}', how)

    assert (ended.code, ended.out.splitlines()[-1]) == (0, 'result: "olleh"')


def test_who_waits_for_a_task_that_fails_is_told_the_whole_error(call):
    why = "no luck, " * 20

    ended = call("submit", "test.fail", json.dumps({"why": why}), "--wait")

    assert (ended.code, ended.out.splitlines()[-1]) == (1, f"error: duly.domain.retry.Fail: {why}")


@pytest.mark.parametrize("payload", ["{'text': 1}", '{"text": NaN}', "@nowhere.json", ""])
def test_a_payload_that_is_no_json_is_a_mistake_in_the_command(call, payload):
    ended = call("submit", "text.reverse", payload)

    assert ended.code == 2
    assert "duly: The payload" in ended.err


def test_a_payload_that_does_not_fit_says_where(call):
    ended = call("submit", "text.reverse", '{"txt": "hello"}')

    assert ended.code == 1
    assert ended.err.splitlines()[:2] == [
        "duly: The payload does not fit the handler's signature.",
        "  /payload/text: Field required",
    ]


def test_list_filters_and_stops_at_its_limit(call, client):
    tag = f"t{uuid4().hex}"
    for _ in range(3):
        client.submit("text.reverse", {"text": "a"}, tags=[tag], delay=3600)

    two = call("list", "--tag", tag, "--limit", "2", "--json")
    none = call("list", "--tag", tag, "--state", "failed")

    assert len(json.loads(two.out)["tasks"]) == 2
    assert none.out.splitlines()[1:] == []


def test_show_tells_everything_with_the_story(call, client):
    task = client.wait(client.submit("text.reverse", {"text": "hello"}).id)

    ended = call("show", task.id)

    assert "state:     completed" in ended.out
    assert 'result:    "olleh"' in ended.out
    assert [line.split()[2] for line in ended.out.splitlines()[-3:]] == ["submitted", "claimed", "completed"]


@pytest.mark.mistake(47)
def test_nothing_that_a_task_carries_can_move_the_cursor(call, client):
    task = client.wait(client.submit("test.fail", {"why": "a\x1b[2J\nb\u202e"}).id)

    out = call("show", task.id).out + call("list", "--type", "test.fail").out

    assert all(character.isprintable() for line in out.splitlines() for character in line)


def test_cancel_and_retry_take_several_and_tell_which_could_not_be_done(call, client):
    waiting = client.submit("text.reverse", {"text": "a"}, delay=3600)
    done = client.wait(client.submit("text.reverse", {"text": "a"}).id)

    cancelled = call("cancel", waiting.id, done.id, "--json")
    retried = call("retry", waiting.id, "--payload", '{"text": "again"}', "--json")

    assert cancelled.code == 1
    assert [task["state"] for task in json.loads(cancelled.out)["tasks"]] == ["cancelled"]
    assert f"Task {done.id} is completed: it cannot be cancelled." in cancelled.err
    assert json.loads(retried.out)["tasks"][0]["payload"] == {"text": "again"}


def test_a_queue_is_paused_and_resumed(call):
    paused = call("pause", "slow")
    listed = call("queues", "--json")
    resumed = call("resume", "slow", "--json")

    assert "yes" in paused.out
    assert [queue["name"] for queue in json.loads(listed.out)["queues"] if queue["paused"]] == ["slow"]
    assert not json.loads(resumed.out)["queues"][0]["paused"]


def test_an_unknown_task_is_a_failure(call):
    ended = call("show", str(uuid4()))

    assert ended.code == 1
    assert "There is no task" in ended.err


def test_a_service_that_does_not_answer_is_told_with_its_address(duly, tmp_path):
    ended = duly(Place(tmp_path, {}), "list", "--url", "http://127.0.0.1:1")

    assert ended.code == 1
    assert "No answer from Duly at http://127.0.0.1:1" in ended.err


@pytest.mark.parametrize("arguments", [("list", "--frob"), ("list", "--state", "lost"), ("submit",), ("frobnicate",)])
def test_a_wrong_command_line_is_a_usage_error(call, arguments):
    assert call(*arguments).code == 2


@pytest.mark.parametrize(
    "command",
    [
        "dev",
        "api",
        "worker",
        "migrate",
        "doctor",
        "submit",
        "list",
        "show",
        "cancel",
        "retry",
        "queues",
        "pause",
        "resume",
    ],
)
def test_help_teaches_with_an_example(call, command):
    ended = call(command, "--help")

    assert ended.code == 0
    assert f"duly {command}" in ended.out.split("Usage:")[1].split("\n", 1)[1]


def test_the_version_is_told(call):
    assert call("--version").out == "duly 0.1.0\n"
