"""A real Prometheus scrapes /metrics, and its own checker finds nothing to complain about."""

import shutil
import socket
import subprocess

import httpx
import pytest

from conftest import until

pytestmark = pytest.mark.skipif(shutil.which("prometheus") is None, reason="there is no Prometheus on this machine")


def metrics(admin):
    answer = admin.get("/metrics")
    assert answer.status_code == 200
    return answer.text


def test_its_checker_takes_them(admin, agent):
    admin.wait(admin.run(agent, {"count": 1})["id"])
    result = subprocess.run(["promtool", "check", "metrics"], input=metrics(admin), text=True, capture_output=True)
    assert result.returncode in (0, 3), result.stderr
    assert "error" not in result.stderr.lower(), result.stderr


def test_it_is_scraped(server, admin, agent, tmp_path):
    admin.wait(admin.run(agent, {"count": 1})["id"])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (tmp_path / "prometheus.yml").write_text(f"""
global: {{ scrape_interval: 1s }}
scrape_configs:
  - job_name: paddock
    authorization: {{ credentials: {admin.key} }}
    static_configs: [{{ targets: ["127.0.0.1:{server.port}"] }}]
""")
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen(
            ["prometheus", f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data",
             f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    try:
        def ask(query):
            try:
                answer = httpx.get(f"http://127.0.0.1:{port}/api/v1/query", params={"query": query}, timeout=5)
            except httpx.TransportError:
                return None
            return answer.json().get("data", {}).get("result") if answer.status_code == 200 else None

        assert until(lambda: [one for one in ask('up{job="paddock"}') or [] if one["value"][1] == "1"], "a scrape that worked")
        assert until(lambda: ask('{job="paddock",__name__=~"paddock_.*"}'), "metrics of Paddock")
    finally:
        process.terminate()
        process.wait(20)
