"""Where the REST client sends requests and its token: redirects, .netrc, proxies, addresses."""

from __future__ import annotations

import socket
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from base_server import TEST_GENERATOR, TOKEN, BaseServer
from fault_server import FaultServer, answer

from infinity_frames.client.http import Limits, RestClient, server_address
from infinity_frames.protocol import errors

NAME = TEST_GENERATOR.name
RUN = {"name": NAME, "is_preview": False, "param_values": {"num_reps": 1}}


@pytest.fixture
def base() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


def test_a_redirect_takes_the_token_to_no_other_host(base: FaultServer) -> None:
    with BaseServer() as other:
        elsewhere = other.url.replace("127.0.0.1", "localhost") + "/api/jobs/"
        base.fail("GET", "/api/jobs/", answer(307, {}, Location=elsewhere))
        with pytest.raises(errors.AuthenticationError):
            RestClient(base.url, TOKEN).generators()
        assert "authorization" not in other.requests[0][2]


def test_a_redirect_never_turns_a_batch_into_a_question(base: FaultServer) -> None:
    rest = RestClient(base.url, TOKEN)
    base.fail("POST", "/api/batch/", answer(301, {}, Location=base.url + "/api/batch/"))
    with pytest.raises(errors.RequestRejected, match="moved"):
        rest.create_batch("x", [RUN])
    base.fail("POST", "/api/batch/", answer(307, {}, Location=base.url + "/api/batch/"))
    assert rest.create_batch("x", [RUN])["id"] in base.batches


def test_netrc_adds_nothing(
    base: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password theirs\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    rest = RestClient(base.url, TOKEN)
    batch = rest.create_batch("x", [RUN])
    with rest.result(batch["job_runs"][0]["result_url"], {}) as response:
        assert response.status_code == 200
    assert "authorization" not in base.requests[-1][2]
    assert base.requests[-2][2]["authorization"] == f"Token {TOKEN}"


def test_no_proxy_is_told_of_what_runs_on_this_machine(
    base: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.settimeout(0.2)
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        assert RestClient(base.url, TOKEN).generators()[0]["name"] == NAME
        assert RestClient(base.url.replace("127.0.0.1", "localhost"), TOKEN).generators()
        with pytest.raises(TimeoutError):
            proxy.accept()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REQUESTS_CA_BUNDLE", "/nowhere/SECRET.pem"),
        ("HTTPS_PROXY", "http://user:SECRET@127.0.0.1:1"),
        ("HTTPS_PROXY", "http://user:SECRET@[bad"),
        ("HTTPS_PROXY", "http://user:SECRET@host:99999999"),
        ("HTTPS_PROXY", "http://user:SECRET@a..b"),
        ("HTTPS_PROXY", "socks5://user:SECRET@127.0.0.1:1"),
        ("HTTPS_PROXY", "secret://user:SECRET@127.0.0.1:1"),
        ("HTTPS_PROXY", "://SECRET"),
    ],
)
def test_settings_of_the_environment_that_cannot_be_used_are_named_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    for other in ("NO_PROXY", "no_proxy", "https_proxy", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, value)
    rest = RestClient("https://server.invalid", TOKEN, limits=Limits(total=1.0))
    with pytest.raises(errors.ServerUnreachable, match=name) as raised:
        rest.create_batch("lost", [RUN])
    assert "SECRET" not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize(
    ("given", "canonical"),
    [
        ("https://Host.example/", "https://host.example"),
        (" http://127.0.0.1:80/base/ ", "http://127.0.0.1:80/base"),
    ],
)
def test_addresses_have_one_form(given: str, canonical: str) -> None:
    assert server_address(given) == canonical


@pytest.mark.parametrize(
    "given",
    [
        "host",
        "ftp://host",
        "http://me:pass1@host",
        "https://host/?token=pass1",
        "https://me:pass1%40host",
        "http://me:pass1\uff20host",
        "http://host/\nme:pass1@other",
        "http://host/path;token=pass1",
        "",
    ],
)
def test_odd_addresses_are_refused_without_their_secrets(given: str) -> None:
    with pytest.raises(errors.SessionError) as caught:
        server_address(given)
    assert "pass1" not in str(caught.value)
