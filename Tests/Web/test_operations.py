"""Every operation of the document with schemathesis: no 5xx, and no answer that the document does not allow.

Bounded by a number of examples for each operation, with a fixed seed. Operations that others would suffer from are left
out of what is changed at random: pausing, and the caller's own access.
"""

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

from conftest import DOCUMENT

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


def call(case, server, headers):
    shorten(case)
    response = case.call(base_url=server.url, headers=headers, timeout=30)
    case.validate_response(response, checks=list(CHECKS))
    return response


@document.exclude(operation_id=LEFT_ALONE).parametrize()
@SETTINGS
def test_an_administrators(case, server, admin):
    call(case, server, {"Authorization": f"Bearer {admin.key}"})


@document.include(operation_id=LEFT_ALONE).parametrize()
@SETTINGS
def test_what_changes_others_as_an_ordinary_user(case, server, ordinary):
    call(case, server, {"Authorization": f"Bearer {ordinary}"})


@document.parametrize()
@SETTINGS
def test_nobodys(case, server):
    response = call(case, server, {"Authorization": ""})
    if case.path.startswith("/api/"):
        assert response.status_code in (400, 401, 404, 405), response.status_code


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
