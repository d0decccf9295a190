"""How the server is reached: TLS, and tokens of others by their keys."""

import base64
import hmac
import json
import os
import ssl
import subprocess
import time

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from conftest import PROGRAM, Client, create_agent, events_of, serving, until


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        check=True, capture_output=True)
    return folder


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tls_is_served_and_nothing_else_on_its_port(certificate, image):
    settings = {"PADDOCK_TLS_CERT": str(certificate / "cert.pem"), "PADDOCK_TLS_KEY": str(certificate / "key.pem")}
    with serving(**settings) as (server, admin):
        health = admin.get("/health")
        assert health.status_code == 200 and "max-age" in health.headers["strict-transport-security"]
        agent = create_agent(admin, image)
        execution = admin.run(agent, {"count": 20, "pause": 0.02})["id"]
        with admin.stream(
            "GET", f"/api/v1/executions/{execution}/logs?follow=true", headers={"Accept": "text/event-stream"}
        ) as response:
            seen = events_of(response)
        assert "".join(data["text"] for _, event, data in seen if event == "log").count("\n") == 20
        # A client that does not know the certificate, one that does not speak TLS, one that is too old for it.
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(f"{server.url}/health")
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{server.port}/health")
        old = ssl.create_default_context(cafile=server.authority)
        old.set_ciphers("DEFAULT:@SECLEVEL=0")
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{server.url}/health", verify=old)
        # The commands, with the authority and without.
        environment = {**os.environ, "PADDOCK_URL": server.url, "PADDOCK_TOKEN": admin.key}
        trusted = subprocess.run(
            [PROGRAM, "show", execution], env={**environment, "PADDOCK_CA_FILE": server.authority}, capture_output=True, text=True)
        assert trusted.returncode == 0 and "succeeded" in trusted.stdout, trusted.stderr
        untrusted = subprocess.run([PROGRAM, "show", execution], env=environment, capture_output=True, text=True)
        assert untrusted.returncode == 125 and "PADDOCK_CA_FILE" in untrusted.stderr, untrusted.stderr


def public(name, key):
    algorithm = {"RS256": jwt.algorithms.RSAAlgorithm, "ES256": jwt.algorithms.ECAlgorithm, "EdDSA": jwt.algorithms.OKPAlgorithm}
    kind = next(one for one in algorithm if name.startswith(one))
    return {**algorithm[kind].to_jwk(key.public_key(), as_dict=True), "kid": name, "alg": kind, "use": "sig"}


def confused(good, key):
    """What a good token says, signed as if the public key were a secret."""
    def encoded(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    secret = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    head = encoded(json.dumps({**jwt.get_unverified_header(good), "alg": "HS256"}).encode())
    signed = head + b"." + good.split(".")[1].encode()
    return (signed + b"." + encoded(hmac.digest(secret, signed, "sha256"))).decode()


def test_tokens_of_others_are_taken_by_their_keys_also_after_a_rotation(tmp_path):
    keys = {
        "RS256-1": rsa.generate_private_key(65537, 2048), "ES256-1": ec.generate_private_key(ec.SECP256R1()),
        "EdDSA-1": ed25519.Ed25519PrivateKey.generate(),
    }
    following = {"RS256-2": rsa.generate_private_key(65537, 2048)}
    published = tmp_path / "jwks.json"

    def publish(some):
        # As a whole: it may be read at any time.
        (tmp_path / "new").write_text(json.dumps({"keys": [public(name, key) for name, key in some.items()]}))
        (tmp_path / "new").rename(published)

    def token(name, key, algorithm=None, **claims):
        now = int(time.time())
        claims = {"sub": "usr_of_others", "iss": "https://issuer.example", "aud": "paddock", "exp": now + 600, **claims}
        return jwt.encode(claims, key, algorithm or name.split("-")[0], headers={"kid": name})

    publish(keys)
    settings = {
        "PADDOCK_JWKS": str(published), "PADDOCK_JWT_ISSUER": "https://issuer.example", "PADDOCK_JWT_AUDIENCE": "paddock",
        "JWT_SECRET": "a secret of ours with thirty-two bytes",
    }
    with serving(**settings) as (server, _):
        def status(text):
            with Client(server, text) as client:
                return client.get("/api/v1/users/me").status_code

        for name, key in keys.items():
            assert status(token(name, key)) == 200, name
        rs256 = keys["RS256-1"]
        for claims in [
            {"exp": int(time.time()) - 600}, {"nbf": int(time.time()) + 600}, {"aud": "others"}, {"iss": "https://else.example"},
            {"sub": "usr_admin"},
        ]:
            assert status(token("RS256-1", rs256, **claims)) == 401, claims
        # The public key as a secret, no signature, a key that is not in the set.
        assert status(confused(token("RS256-1", rs256), rs256)) == 401
        assert status(token("RS256-1", None, "none")) == 401
        assert status(token("RS256-2", following["RS256-2"])) == 401
        # Rotated: the next key is taken, and the one before is not any more.
        publish(following)
        until(lambda: status(token("RS256-2", following["RS256-2"])) == 200, "the new key is taken")
        assert status(token("RS256-1", rs256)) == 401
