"""Logs with clients that are not ours: curl, sseclient-py, and a browser's EventSource."""

import json
import subprocess

import sseclient

from conftest import until


def curl(server, admin, execution, accept, *query):
    url = f"{server.url}/api/v1/executions/{execution}/logs?{'&'.join(query)}"
    return subprocess.run(
        ["curl", "--silent", "--show-error", "--fail", "--no-buffer", "--max-time", "60",
         "--header", f"Authorization: Bearer {admin.key}", "--header", f"Accept: {accept}", url],
        check=True, stdout=subprocess.PIPE).stdout


def expected(count):
    return "".join(f"line {number} of {count}\n" for number in range(count))


def test_curl_follows_a_log_as_text(server, admin, agent):
    execution = admin.run(agent, {"count": 20, "pause": 0.05})["id"]
    assert curl(server, admin, execution, "text/plain", "follow=true").decode() == expected(20)


def test_curl_follows_a_log_as_ndjson(server, admin, agent):
    execution = admin.run(agent, {"count": 20, "pause": 0.05})["id"]
    lines = [json.loads(line) for line in curl(server, admin, execution, "application/x-ndjson", "follow=true").splitlines()]
    assert "".join(line["text"] for line in lines if line["event"] == "log") == expected(20)
    assert lines[-1]["event"] == "end" and lines[-1]["execution"]["status"] == "succeeded"


def test_curl_takes_the_last_lines(server, admin, agent):
    execution = admin.run(agent, {"count": 200})["id"]
    admin.wait(execution)
    assert curl(server, admin, execution, "text/plain", "tail=3").decode() == "".join(
        f"line {number} of 200\n" for number in (197, 198, 199))
    assert curl(server, admin, execution, "text/plain", "stream=stderr") == b""


def events(admin, execution, cursor=None, limit=None):
    """The stream's events with an independent client: (id, event, data)."""
    headers = {"Accept": "text/event-stream", **({"Last-Event-ID": cursor} if cursor else {})}
    seen = []
    with admin.stream("GET", f"/api/v1/executions/{execution}/logs?follow=true", headers=headers) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        for event in sseclient.SSEClient(response.iter_raw()).events():
            seen.append((event.id, event.event, json.loads(event.data)))
            if limit and len([one for one in seen if one[1] == "log"]) >= limit:
                break
    return seen


def text_of(seen):
    return "".join(data["text"] for _, event, data in seen if event == "log")


def test_an_independent_client_reads_events_to_the_end(admin, agent):
    execution = admin.run(agent, {"count": 20, "pause": 0.05})["id"]
    seen = events(admin, execution)
    assert text_of(seen) == expected(20)
    assert seen[-1][1] == "end" and seen[-1][2]["id"] == execution and seen[-1][2]["status"] == "succeeded"


def test_resuming_gives_every_byte_once(admin, agent):
    execution = admin.run(agent, {"count": 60, "pause": 0.03})["id"]
    seen = events(admin, execution, limit=3)
    while seen[-1][1] != "end":
        last = [id for id, event, _ in seen if event == "log"][-1]
        seen += events(admin, execution, cursor=last, limit=10)
        if seen[-1][1] != "end" and admin.get(f"/api/v1/executions/{execution}").json()["finishedAt"]:
            last = [id for id, event, _ in seen if event == "log"][-1]
            seen += events(admin, execution, cursor=last)
    assert text_of(seen) == expected(60)


def test_a_cursor_in_the_middle_of_a_record_goes_on_from_there(server, admin, agent):
    execution = admin.run(agent, {"count": 30})["id"]
    admin.wait(execution)
    whole = expected(30)
    for cursor in (0, 1, 7, len(whole) - 1, len(whole)):
        assert curl(server, admin, execution, "text/plain", f"cursor={cursor}").decode() == whole[cursor:], cursor


def test_a_log_token_reads_this_log_and_nothing_else(server, admin, agent):
    own, other = admin.run(agent, {"count": 2})["id"], admin.run(agent, {"count": 2})["id"]
    admin.wait(own)
    admin.wait(other)
    token = admin.post(f"/api/v1/executions/{own}/log-token").json()["token"]

    def status(path):
        return subprocess.run(
            ["curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", f"{server.url}/api/v1{path}"],
            check=True, stdout=subprocess.PIPE, text=True).stdout

    assert status(f"/executions/{own}/logs?token={token}") == "200"
    assert status(f"/executions/{other}/logs?token={token}") in ("401", "403", "404")
    assert status(f"/executions/{own}?token={token}") == "401"
    assert status(f"/executions?token={token}") == "401"
    assert status(f"/executions/{own}/logs?token={token[:-1]}") == "401"
    assert status(f"/executions/{own}/logs") == "401"


def test_a_browsers_own_eventsource_follows(signed_in, admin, agent):
    execution = admin.run(agent, {"count": 20, "pause": 0.05})["id"]
    token = admin.post(f"/api/v1/executions/{execution}/log-token").json()["token"]
    text = signed_in.evaluate("""([id, token]) => new Promise((resolve, reject) => {
        const source = new EventSource(`/api/v1/executions/${id}/logs?follow=true&token=${encodeURIComponent(token)}`);
        let text = '';
        source.addEventListener('log', (event) => { text += JSON.parse(event.data).text; });
        source.addEventListener('end', () => { source.close(); resolve(text); });
        setTimeout(() => reject(new Error('no end')), 30000);
    })""", [execution, token])
    assert text == expected(20)


def test_a_reader_that_does_not_read_holds_up_nothing(server, admin, agent):
    execution = admin.run(agent, {"count": 100_000})["id"]
    with admin.stream("GET", f"/api/v1/executions/{execution}/logs?follow=true"):
        assert admin.wait(execution)["status"] == "succeeded"
    until(lambda: admin.get("/health").status_code == 200, "the server answers")
