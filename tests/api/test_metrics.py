"""`/metrics`."""

from datetime import timedelta
from platform import python_version

import pytest
from fastapi import Depends, FastAPI

from duly import Duly
from duly.api.app import create_app
from duly.settings import Settings
from duly.testing import bench
from tests.support.builders import a_worker
from tests.support.outage import Outage
from tests.support.scrape import samples
from tests.support.serving import client_of, serving


async def scraped(client, **headers):
    response = await client.get("/metrics", headers=headers)
    assert response.status_code == 200, response.text
    return samples(response.text)


async def test_submits_and_requests_are_counted_by_type_queue_and_route(api):
    await api.submit()
    await api.submit(queue="mail")
    await api.client.get("/v1/tasks/0198c0de-0000-7000-8000-000000000000")
    await api.client.get("/nowhere/in/particular")

    found = await scraped(api.client)

    assert found["duly_submitted_tasks_total", "default", "text.reverse"] == 1
    assert found["duly_submitted_tasks_total", "mail", "text.reverse"] == 1
    assert found["duly_http_requests_total", "POST", "/v1/tasks", "202"] == 2
    assert found["duly_http_requests_total", "GET", "/v1/tasks/{task_id}", "404"] == 1
    assert found["duly_http_requests_total", "GET", "other", "404"] == 1
    assert found["duly_http_request_seconds_count", "POST", "/v1/tasks"] == 2


async def test_queues_show_what_waits_since_when_and_who_serves_them(api):
    await api.submit(queue="mail")
    await api.submit(queue="mail", delay=60)
    await api.store.roster.beat(a_worker(queues=("mail",), slots=4, running=3), timedelta(minutes=1))
    await api.client.post("/v1/queues/mail/pause")

    found = await scraped(api.client)

    assert found["duly_queue_tasks", "mail", "pending"] == 1
    assert found["duly_queue_tasks", "mail", "scheduled"] == 1
    assert ("duly_queue_oldest_pending_seconds", "mail") in found
    assert found["duly_queue_paused", "mail"] == 1
    assert found["duly_queue_workers", "mail"] == 1
    assert (found["duly_workers",], found["duly_worker_slots",], found["duly_worker_slots_busy",]) == (1, 4, 3)
    assert found["duly_store_up",] == 1


async def test_while_the_database_is_away_what_a_process_counts_is_shown_and_that_it_is_away(store, handlers):
    outage = Outage(store)
    async with serving(outage, handlers) as api:
        await api.submit()
        outage.away = True

        found = await scraped(api.client)

    assert found["duly_store_up",] == 0
    assert found["duly_submitted_tasks_total", "default", "text.reverse"] == 1
    assert not [name for name in found if name[0] == "duly_queue_tasks"]


async def test_the_build_is_named(api):
    assert (await scraped(api.client))["duly_build_info", python_version(), "0.1.0"] == 1


async def test_openmetrics_is_given_to_whoever_likes_it_better(api):
    response = await api.client.get("/metrics", headers={"accept": "application/openmetrics-text;version=1.0.0"})

    assert response.headers["content-type"].startswith("application/openmetrics-text")
    assert response.text.endswith("# EOF\n")


async def test_a_host_application_takes_the_route_behind_its_own_guard():
    duly = Duly()

    @duly.task
    async def greet(name: str) -> str:
        return name

    app = FastAPI()
    app.include_router(duly.metrics_router(), dependencies=[Depends(duly.guard("tasks:read"))])
    async with bench(duly), client_of(app) as client:
        await greet.submit(name="Ada")
        found = await scraped(client)

    assert found["duly_submitted_tasks_total", "default", "greet"] == 1


async def test_two_in_one_process_count_apart(store, handlers):
    async with serving(store, handlers) as one, serving(store, handlers) as other:
        await one.submit()

        assert ("duly_submitted_tasks_total", "default", "text.reverse") in await scraped(one.client)
        assert ("duly_submitted_tasks_total", "default", "text.reverse") not in await scraped(other.client)


@pytest.mark.mistake(48)
async def test_no_secret_stands_in_metrics(tmp_path):
    secrets = {"payload-of-ada", "key-of-ada", "tag-of-ada", "password-of-the-database", "header-of-ada", "path-of-ada"}
    duly = Duly(Settings(cache_url="memory://", callback_secrets=("whsec_" + "c2VjcmV0" * 6,)))

    @duly.task(name="leak")
    async def leak(text: str) -> str:
        raise ValueError("postgresql://duly:password-of-the-database@db/duly " + text)

    async with bench(duly) as work:
        app = create_app(duly.service, metrics="public")
        async with client_of(app) as client:
            submitted = {"type": "leak", "payload": {"text": "payload-of-ada"}, "max_attempts": 1}
            submitted |= {"key": "key-of-ada", "tags": ["tag-of-ada"]}
            headers = {"authorization": "Bearer duly_header-of-ada", "x-request-id": "header-of-ada"}
            task = (await client.post("/v1/tasks", json=submitted, headers=headers)).json()
            await work.run()
            await client.get("/v1/path-of-ada?secret=path-of-ada", headers=headers)
            await client.request("path-of-ada", "/v1/tasks")
            text = (await client.get("/metrics")).text

    assert ("duly_settled_attempts_total", "failed", "default", "leak") in samples(text)
    assert [secret for secret in (*secrets, "whsec_", task["id"], "c2VjcmV0") if secret.lower() in text.lower()] == []
