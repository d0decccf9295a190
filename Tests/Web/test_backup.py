"""docs/backup.md, as it is written: a backup of SQLite while the server runs, restored elsewhere."""

import os
import shutil
import sqlite3
import subprocess

import pytest

from conftest import PROGRAM, Client, Server, until


@pytest.fixture(scope="module")
def restored(server, admin, agent, tmp_path_factory):
    """A server on a restored backup, its administrator, and two executions: one had ended, and one ran."""
    tmp_path = tmp_path_factory.mktemp("backup")
    execution = admin.run(agent, {"count": 3})["id"]
    admin.wait(execution)
    running = admin.run(agent, {"wait": 30})["id"]
    until(lambda: admin.get(f"/api/v1/executions/{running}").json()["status"] == "running", "it runs")
    with sqlite3.connect(server.folder / "paddock.sqlite") as database:
        database.execute("VACUUM INTO ?", [str(tmp_path / "backup.sqlite")])
    database.close()
    admin.post(f"/api/v1/executions/{running}/cancel", json={"graceSeconds": 0})

    restored = tmp_path / "restored"
    restored.mkdir(mode=0o700)
    shutil.copy(tmp_path / "backup.sqlite", restored / "paddock.sqlite")
    os.chmod(restored / "paddock.sqlite", 0o600)
    shutil.copytree(server.folder / "keys", restored / "keys")
    second = Server(restored)
    second.start()
    try:
        with Client(second, admin.key) as client:
            yield second, client, execution, running
    finally:
        second.stop()


def test_what_was_backed_up_is_there_after_a_restore(restored, admin):
    second, client, execution, _ = restored
    assert second.key is None, "a first administrator was made anew"
    assert client.get(f"/api/v1/executions/{execution}").json() == admin.get(f"/api/v1/executions/{execution}").json()
    assert client.get(f"/api/v1/executions/{execution}/logs").text == "line 0 of 3\nline 1 of 3\nline 2 of 3\n"
    receipt = client.get(f"/api/v1/executions/{execution}/receipt")
    assert receipt.status_code == 200
    verified = subprocess.run(
        [PROGRAM, "receipt", "verify", "-"], input=receipt.content, capture_output=True,
        env={**os.environ, "PADDOCK_STATE_DIR": str(second.folder)})
    assert verified.returncode == 0, verified.stdout


@pytest.mark.slow
def test_what_ran_then_is_lost_once_its_lease_has_run_out(restored):
    _, client, _, running = restored
    assert client.wait(running)["status"] == "lost"
