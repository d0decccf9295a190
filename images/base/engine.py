"""A very small client for the Docker Engine's HTTP API over its unix socket.

Standard library only. It covers what the image builders need and nothing else: inspect, load, build, list, remove.
The endpoints are those of the Engine API reference, called without a version prefix so that the Engine
answers with its own newest version.
"""

import http.client
import json
import os
import socket
import urllib.parse

DEFAULT_HOST = "unix:///var/run/docker.sock"


class EngineError(Exception):
    """A call that did not work. The text says what was tried, what was wrong and, where known, what to do."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Engine:
    def __init__(self, host=None, timeout=600):
        host = host or os.environ.get("DOCKER_HOST") or DEFAULT_HOST
        if not host.startswith("unix://"):
            raise EngineError(
                f"DOCKER_HOST is {host}: only a unix socket is supported, such as {DEFAULT_HOST}"
            )
        self.socket_path = host[len("unix://"):]
        self.timeout = timeout

    def image(self, reference):
        """The image's inspect document, or None where there is no such image."""
        status, body = self._call("GET", f"/images/{urllib.parse.quote(reference)}/json")
        if status == 404:
            return None
        return self._json(status, body, f"inspect image {reference}")

    def images(self, label):
        filters = urllib.parse.quote(json.dumps({"label": [label]}))
        status, body = self._call("GET", f"/images/json?filters={filters}")
        return self._json(status, body, "list images")

    def remove_image(self, reference):
        status, body = self._call("DELETE", f"/images/{urllib.parse.quote(reference)}")
        if status != 404:
            self._json(status, body, f"remove image {reference}")

    def remove_unused(self, identity):
        """Removes an image that a newer one took the tag of, unless it has another tag, a container or a child."""
        image = self.image(identity)
        if image is None or image.get("RepoTags"):
            return
        try:
            self.remove_image(identity)
        except EngineError:
            # In use: it is somebody's, and stays.
            pass

    def load(self, archive):
        """Loads a docker-archive, an open binary file."""
        self._stream("/images/load?quiet=1", archive, "load image")

    def build(self, context, tag, labels):
        """Builds a tar of a folder, an open binary file, with the classic builder and no network."""
        query = urllib.parse.urlencode(
            {"t": tag, "labels": json.dumps(labels), "networkmode": "none", "rm": "1", "forcerm": "1"}
        )
        self._stream(f"/build?{query}", context, f"build {tag}")

    def _stream(self, path, body, what):
        # The Engine answers 200 and then tells of a failure in the stream's last line: read all of it.
        status, answer = self._call("POST", path, body)
        if status != 200:
            self._json(status, answer, what)
        log = []
        for line in answer.splitlines():
            if not line.strip():
                continue
            message = json.loads(line)
            if "errorDetail" in message or "error" in message:
                reason = message.get("errorDetail", {}).get("message") or message.get("error")
                raise EngineError(f"{what}: {reason}\n" + "".join(log[-20:]))
            log.append(message.get("stream", ""))

    def _call(self, method, path, body=None):
        headers = {}
        if body is not None:
            body.seek(0, os.SEEK_END)
            headers = {"Content-Type": "application/x-tar", "Content-Length": str(body.tell())}
            body.seek(0)
        connection = _UnixConnection(self.socket_path, self.timeout)
        try:
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            return response.status, response.read()
        except FileNotFoundError:
            raise EngineError(f"no Engine at {self.socket_path}: start one with `scripts/setup.sh run`") from None
        except ConnectionRefusedError:
            raise EngineError(f"nothing listens at {self.socket_path}: is dockerd running?") from None
        except PermissionError:
            raise EngineError(f"no permission on {self.socket_path}: run as root or join its group") from None
        except (OSError, http.client.HTTPException) as error:
            raise EngineError(f"{method} {path}: {error!r}") from error
        finally:
            connection.close()

    @staticmethod
    def _json(status, body, what):
        try:
            document = json.loads(body) if body.strip() else None
        except ValueError:
            document = {"message": body[:200].decode("utf-8", "replace")}
        if status >= 300:
            raise EngineError(f"{what}: the Engine answered {status}: {(document or {}).get('message', '')}")
        return document
