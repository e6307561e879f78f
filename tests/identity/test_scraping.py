"""Who may scrape."""

from duly.domain.identity import Scope
from tests.identity.conftest import bearer


async def test_a_key_for_some_queues_only_may_not_scrape(open_guarded):
    async for api in open_guarded():
        key = await api.key(Scope.READ, queues=("mail",))
        response = await api.client.get("/metrics", headers=bearer(key))

        assert response.status_code == 403


async def test_where_metrics_are_public_nobody_is_asked_and_otherwise_everybody_is(open_guarded):
    async for api in open_guarded(metrics="public"):
        assert (await api.client.get("/metrics")).status_code == 200
        assert api.document["paths"]["/metrics"]["get"]["security"] == []
    async for api in open_guarded(metrics="read"):
        assert (await api.client.get("/metrics")).status_code == 401
    async for api in open_guarded(metrics="off"):
        assert (await api.client.get("/metrics")).status_code == 404
