"""The tour's handlers, from the submit to the result, on a Duly in memory."""

import base64
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from duly import RetryAfter, State
from duly.domain.errors import Invalid, TaskFailed
from duly.testing import Bench, bench
from tests.examples.test_tour_web import answer, anywhere, serving
from tour import app, texts
from tour.tables import INPUTS


@pytest.fixture
async def tour() -> AsyncIterator[Bench]:
    async with bench(app.duly) as opened:
        yield opened


async def test_a_text_is_counted(tour: Bench):
    submitted = await app.text_statistics.submit(text=(INPUTS / "alice.txt").read_text(), top=1)

    await tour.run()

    counted = await submitted.result()
    assert (counted.words, counted.most_frequent) == (2148, [texts.WordCount("alice", 27)])


async def test_a_text_is_turned_round(tour: Bench):
    submitted = await app.text_reverse.submit(text="hello")

    await tour.run()

    assert (await submitted.result()).text == "olleh"


async def test_a_text_is_summed_up(tour: Bench):
    submitted = await app.text_summary.submit(text=(INPUTS / "gettysburg.txt").read_text(), sentences=1)

    await tour.run()

    summary = await submitted.result()
    assert summary.text.startswith("Now we are engaged in a great civil war")


async def test_a_text_with_too_many_sentences_fails_at_once(tour: Bench):
    submitted = await app.text_summary.submit(text="One two. " * 1999 + "End.")

    await tour.run()

    assert (await submitted.task()).failures == 1
    with pytest.raises(TaskFailed, match="at most 1500"):
        await submitted.result()


async def test_the_sample_table_is_summed_up_with_progress(tour: Bench):
    submitted = await app.csv_aggregate.submit(source={"sample": "journeys"}, group_by="rider", value="kilometres")

    await tour.run()

    totals = await submitted.result()
    assert totals.rows == 100_000
    assert [group.name for group in totals.largest_groups] == ["member", "visitor"]


async def test_a_table_sent_along_is_summed_up(tour: Bench):
    submitted = await app.csv_aggregate.submit(source={"csv_text": "who,n\na,1\na,2\n"}, group_by="who", value="n")

    await tour.run()

    assert (await submitted.result()).largest_groups[0].total == 3.0


@pytest.mark.parametrize(
    "source",
    [{}, {"sample": "/etc/passwd"}, {"csv_text": "a,b\n", "sample": "journeys"}, {"path": "x"}, {"csv_text": ""}],
)
async def test_a_source_that_is_not_exactly_one_known_thing_is_refused_at_the_door(tour: Bench, source: object):
    with pytest.raises(Invalid):
        await app.csv_aggregate.submit(source=source, group_by="a", value="b")


@pytest.mark.parametrize("name", ["lake.jpg", "dusk.jpg"])
async def test_a_photograph_becomes_a_thumbnail(tour: Bench, name: str):
    photograph = (INPUTS / name).read_bytes()
    submitted = await app.image_thumbnail.submit(image=photograph, longest_side=120)

    await tour.run()

    made = await submitted.result()
    assert (made.width, made.height) == (120, 80)
    assert base64.b64decode(made.image).startswith(b"\xff\xd8")


async def test_what_is_no_picture_fails_at_once(tour: Bench):
    submitted = await app.image_thumbnail.submit(image=b"hello")

    await tour.run()

    assert await submitted.status() is State.FAILED


@pytest.mark.parametrize("image", ["", "###"])
async def test_what_is_no_base64_is_refused_at_the_door(tour: Bench, image: str):
    with pytest.raises(Invalid):
        await app.duly.submit("image.thumbnail", {"image": image})


async def test_primes_are_counted_in_a_process_of_their_own(tour: Bench):
    submitted = await app.primes_count.submit(below=1_000_000)

    await tour.run()

    assert (await submitted.result()).count == 78_498


async def test_a_fetch_into_the_private_network_fails_at_once_and_says_why(tour: Bench):
    submitted = await app.web_fetch.submit(url="http://127.0.0.1/")

    await tour.run()

    with pytest.raises(TaskFailed, match="not a public address"):
        await submitted.result()
    assert (await submitted.task()).failures == 1


async def test_a_server_that_asks_for_a_pause_is_asked_again_after_it():
    async with serving(answer(b"", "503 Away", "retry-after: 7")) as (port, _):
        with pytest.raises(RetryAfter) as caught:
            await app.fetch(f"http://127.0.0.1:{port}/", anywhere())

    assert caught.value.delay == timedelta(seconds=7)


async def test_the_handler_that_fails_on_purpose_fails_three_times(tour: Bench):
    submitted = await app.demo_fail.submit(note="as asked")

    attempts = (
        await tour.run() + await tour.run_after(timedelta(minutes=1)) + await tour.run_after(timedelta(minutes=1))
    )

    assert attempts == 3
    with pytest.raises(TaskFailed, match="as asked"):
        await submitted.result()


async def test_the_unlucky_handler_succeeds_in_the_end(tour: Bench):
    submitted = await app.demo_unlucky.submit(times=2)

    for _ in range(3):
        await tour.run_after(timedelta(minutes=1))

    assert await submitted.result() == "succeeded after 2 failures"
