"""Clients made from the OpenAPI document by openapi-python-client, in an environment of their own."""

import subprocess
import venv
from pathlib import Path

import httpx
import pytest

pytestmark = [pytest.mark.full, pytest.mark.system]
ROOT = Path(__file__).parents[2]
SECONDS = 600

PROGRAM = """
import sys
from http import HTTPStatus

from duly_client import Client, models
from duly_client.api.tasks import get_task, submit_task

client = Client(sys.argv[1])
body = getattr(models, sys.argv[2]).from_dict({"type": "text.reverse", "payload": {"text": "hello"}})
submitted = submit_task.sync_detailed(client=client, body=body, idempotency_key='"made-by-a-machine"')
assert submitted.status_code in (HTTPStatus.ACCEPTED, HTTPStatus.OK), submitted
done = get_task.sync(client=client, task_id=submitted.parsed.id, prefer="wait=30")
assert done.result == "olleh", done
lost = get_task.sync_detailed(client=client, task_id="01936b1c-6a3e-7d1b-9c3e-2f6d1c0a9b55")
assert (lost.status_code, lost.parsed.code) == (HTTPStatus.NOT_FOUND, "task-not-found"), lost
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """A Python that has the generator, and nothing of Duly."""
    folder = tmp_path_factory.mktemp("generator")
    venv.create(folder, with_pip=True)
    _run(folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", "openapi-python-client>=0.26")
    return folder / "bin" / "python"


def _generated(python, folder, document):
    generator = python.parent / "openapi-python-client"
    _run(generator, "generate", "--path", document, "--output-path", folder / "made", "--meta", "none")
    (folder / "made").rename(folder / "duly_client")


def _run(*command, cwd=None):
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_client_made_from_the_checked_in_document_imports_and_submits(python, service, tmp_path):
    _generated(python, tmp_path, ROOT / "docs" / "reference" / "openapi.json")

    (tmp_path / "program.py").write_text(PROGRAM)
    _run(python, "program.py", service, "SubmitTaskSubmit", cwd=tmp_path)


def test_a_client_made_from_a_running_service_knows_each_type(python, service, tmp_path):
    document = tmp_path / "openapi.json"
    document.write_text(httpx.get(f"{service}/openapi.json", trust_env=False).text)
    _generated(python, tmp_path, document)

    (tmp_path / "program.py").write_text(PROGRAM)
    _run(python, "program.py", service, "SubmitTextReverse", cwd=tmp_path)
