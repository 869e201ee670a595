"""A token goes only to a server that proved that it is the engine of this home."""

import http.server
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator

import psutil
import pytest
import requests

import infinity_frames as inf
from infinity_frames.client.http import RestClient
from infinity_frames.client.http.proof import EngineProof
from infinity_frames.io.home import Home
from infinity_frames.launcher import find_engine, read_token
from infinity_frames.protocol import errors

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="no engine runs on Windows"),
    pytest.mark.slow,
]


class Imposter(http.server.BaseHTTPRequestHandler):
    """Records the headers of every request, and passes the nonce on to the real engine."""

    protocol_version = "HTTP/1.1"
    relay_to: str | None = None
    seen: list[str]

    def do_GET(self) -> None:
        type(self).seen.append(f"{self.path}\n{self.headers}")
        if self.relay_to is None:
            body = b'"00"'
        else:
            body = requests.get(self.relay_to + self.path, timeout=5).content
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def seen_by(server: http.server.ThreadingHTTPServer) -> list[str]:
    """Every request that an imposter saw: path and headers."""
    handler = server.RequestHandlerClass
    assert isinstance(handler, type)
    assert issubclass(handler, Imposter)
    return handler.seen


def listening(relay_to: str | None, port: int = 0) -> http.server.ThreadingHTTPServer:
    handler = type("Handler", (Imposter,), {"relay_to": relay_to, "seen": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture
def home(tmp_path, monkeypatch) -> Iterator[Home]:
    monkeypatch.setenv("INFINITY_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("INFINITY_SERVER", raising=False)
    monkeypatch.delenv("INFINITY_TOKEN", raising=False)
    inf.start_engine(workers=1)
    yield Home.at()
    inf.stop_engine()


def test_a_server_that_passes_the_nonce_on_to_the_engine_gets_no_token(home: Home) -> None:
    url = find_engine()
    assert url is not None
    with listening(relay_to=url) as imposter:
        address = f"http://127.0.0.1:{imposter.server_address[1]}"
        rest = RestClient(address, read_token(), check=EngineProof(home.proof_key_file))
        with pytest.raises(errors.ServerUnreachable):
            rest.account()
        imposter.shutdown()
        seen = seen_by(imposter)
    assert seen
    assert all("/api/proof/" in request and "Authorization" not in request for request in seen)


def test_a_living_session_gives_no_token_to_the_next_owner_of_the_port(home: Home) -> None:
    session = inf.Session("sensefit-v0.2.0")
    address = home.address()
    assert address is not None
    engine = psutil.Process(address["pid"])
    engine.send_signal(signal.SIGKILL)
    engine.wait(10)
    port = int(address["url"].rpartition(":")[2])
    time.sleep(0.1)
    with listening(None, port) as imposter:
        account = session.account()  # the engine was started again, elsewhere
        imposter.shutdown()
        seen = seen_by(imposter)
    assert account["samples_reserved"] == 0
    assert all(read_token() not in request for request in seen)


_session: inf.Session


def _described(name: str) -> bool:
    return bool(_session.rest.generator(name)["name"] == name)


def test_forked_processes_get_their_own_answers(home: Home) -> None:
    global _session
    _session = inf.Session("sensefit-v0.2.0")
    _session.account()  # a connection is open
    names = ["visionfit-v0.4.0", "sensefit-v0.2.0", "spills-v0.1.0"] * 20
    with multiprocessing.get_context("fork").Pool(4) as pool:
        assert all(pool.map(_described, names, chunksize=1))


@pytest.mark.parametrize("token", ["SECRET\nX: y", "SECRET\u20ac", "SEC RET"])
def test_a_token_that_no_header_can_carry_is_refused_unseen(token: str) -> None:
    with pytest.raises(errors.SessionError) as caught:
        RestClient("http://127.0.0.1:9", token)
    assert "SEC" not in str(caught.value)


def test_white_space_around_a_token_is_dropped() -> None:
    spaced = RestClient("http://127.0.0.1:9", " abc\r\n")
    assert spaced.same_account(RestClient("http://127.0.0.1:9", "abc"))


@pytest.mark.parametrize(
    "address",
    ["user:SECRET@127.0.0.1:8000", "http://user:SECRET@host", "http://[::1", "http://a..b.invalid"],
)
def test_an_address_that_cannot_be_used_is_refused_without_its_password(address: str) -> None:
    with pytest.raises(errors.SessionError, match="Invalid server address") as caught:
        RestClient(address, None)
    assert "SECRET" not in str(caught.value)
