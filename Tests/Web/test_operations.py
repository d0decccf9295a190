"""Every operation of the document with schemathesis: no 5xx, and no answer that the document does not allow.

Bounded by a number of examples for each operation (PADDOCK_EXAMPLES), with a fixed seed. Operations that others would
suffer from are left out of what is changed at random: pausing, and the caller's own access.
"""

import itertools
import os

import hypothesis
import pytest
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from conftest import DOCUMENT, IMAGE

EXAMPLES = int(os.environ.get("PADDOCK_EXAMPLES", "12"))
CHECKS = (
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
    response_schema_conformance,
)
SETTINGS = hypothesis.settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, database=None,
    suppress_health_check=list(hypothesis.HealthCheck), phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate])
# What waits for somebody, or takes away what the other tests stand on.
LEFT_ALONE = ["pause", "resume", "updateAccess", "revokeKey", "deleteAgent", "updateAgent", "updateMe", "createKey"]

document = schemathesis.openapi.from_path(DOCUMENT)


def shorten(case):
    """No example holds its answer for longer than it takes to see that it can."""
    for name in ("wait", "timeout"):
        if case.query and name in case.query:
            case.query[name] = 0 if isinstance(case.query[name], int) else case.query[name]
    if case.query and "follow" in case.query:
        case.query["follow"] = False


turns = itertools.count()


def make_real(case, real):
    """Every second example is about things that are there; and no image is looked for in the world's registries."""
    body = case.body if isinstance(case.body, dict) else {}
    is_real = next(turns) % 2 == 0
    if isinstance(body.get("dockerImage"), str):
        body["dockerImage"] = IMAGE if is_real else "127.0.0.1:1/none:1"
    if not is_real or not case.path.startswith("/api/v1/"):
        return
    known = {**real, "id": real.get(case.path.split("/")[3])}
    for values, name in [(case.path_parameters, name) for name in case.path_parameters or {}] + [(body, "agentId")]:
        if name in values and known.get(name):
            values[name] = known[name]


def call(case, server, headers, real):
    shorten(case)
    make_real(case, real)
    response = case.call(base_url=server.url, headers=headers, timeout=120)
    case.validate_response(response, checks=list(CHECKS))
    return response


@document.exclude(operation_id=LEFT_ALONE).parametrize()
@SETTINGS
def test_an_administrators(case, server, admin, real):
    call(case, server, {"Authorization": f"Bearer {admin.key}"}, real)


@document.include(operation_id=LEFT_ALONE).parametrize()
@SETTINGS
def test_what_changes_others_as_an_ordinary_user(case, server, ordinary, real):
    call(case, server, {"Authorization": f"Bearer {ordinary}"}, real)


@document.parametrize()
@SETTINGS
def test_nobodys(case, server, real):
    response = call(case, server, {"Authorization": ""}, real)
    if case.path.startswith("/api/"):
        assert response.status_code in (400, 401, 404, 405), response.status_code


@pytest.fixture(scope="module")
def real(admin, agent):
    """By kind, as the paths have it, and by the parameter's name."""
    execution = admin.run(agent, {"count": 3})["id"]
    admin.wait(execution)
    return {"executions": execution, "agents": agent, "users": admin.id, "userId": admin.id, "agentId": agent}


@pytest.fixture(scope="module")
def ordinary(admin):
    answer = admin.post("/api/v1/keys", json={"name": "ordinary", "role": "user", "requestLimit": 0})
    assert answer.status_code == 201, answer.text
    return answer.json()["key"]


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/executions/none", "/nothing", "/api/v1/executions/..%2f..", "/web/none.js"])
def test_what_is_not_there_is_a_problem(admin, path):
    answer = admin.get(path)
    assert answer.status_code == 404 and answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "not_found"


def test_a_method_that_is_not_there_is_told(admin):
    answer = admin.patch("/api/v1/executions")
    assert answer.status_code == 405 and answer.json()["code"] == "method_not_allowed" and "GET" in answer.headers["allow"]


def test_the_version_may_be_left_out(admin, agent):
    assert admin.get(f"/api/agents/{agent}").json() == admin.get(f"/api/v1/agents/{agent}").json()
