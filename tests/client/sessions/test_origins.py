"""Which session, server and account a frame belongs to."""

from __future__ import annotations

import gc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from base_server import TEST_GENERATOR, TOKEN, BaseServer
from fault_server import FaultServer

import infinity_frames as inf
from infinity_frames.client.registry import origin_for
from infinity_frames.protocol import errors
from infinity_frames.protocol.schemas import context

NAME = TEST_GENERATOR.name


def test_a_frame_finds_the_session_opened_for_it(session: inf.Session) -> None:
    assert origin_for(session.sample(1)) is session.origin
    assert origin_for(session.submit([{}]).frame.query("num_reps == 1")) is session.origin
    without = pd.DataFrame(session.submit([{}]).frame)
    without.attrs.clear()  # as SQL and CSV return it: the generator's column remains
    assert origin_for(without) is session.origin


def test_a_frame_without_context_says_how_to_get_one(session: inf.Session) -> None:
    with pytest.raises(errors.FrameError, match=r"session\.jobs\(frame\)"):
        origin_for(pd.DataFrame({"num_reps": [1]}))
    assert origin_for(session.jobs(pd.DataFrame({"num_reps": [1]}))) is session.origin
    assert origin_for(pd.DataFrame({"num_reps": [1]}), session) is session.origin


def test_a_strangers_file_never_decides_where_a_token_goes(
    session: inf.Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with BaseServer() as stranger:
        monkeypatch.setenv("INFINITY_TOKEN", TOKEN)
        frame = session.sample(2)
        frame.attrs["infinity"]["server"] = stranger.url
        frame.to_parquet(tmp_path / "jobs.parquet")
        read = pd.read_parquet(tmp_path / "jobs.parquet")
        assert context(read)["server"] == stranger.url
        with pytest.raises(errors.SessionError, match=stranger.url):
            origin_for(read)
        assert stranger.requests == []
        monkeypatch.setenv("INFINITY_SERVER", stranger.url + "/")
        assert origin_for(read).server == stranger.url  # named by the user, it is no stranger


def test_the_server_of_the_environment_is_opened_once(
    server: FaultServer, session: inf.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFINITY_SERVER", server.url)
    monkeypatch.setenv("INFINITY_TOKEN", TOKEN)
    frame = session.sample(1)
    before = server.count("GET", f"/api/jobs/{NAME}")
    assert origin_for(frame) is session.origin
    assert server.count("GET", f"/api/jobs/{NAME}") == before
    assert inf.Session().server == server.url


def test_two_tokens_for_one_server_must_be_told_apart(
    server: FaultServer, session: inf.Session
) -> None:
    server.tokens["another"] = "another account"
    frame = session.sample(1)
    other = inf.Session(token="another", server=server.url)
    with pytest.raises(errors.SessionError, match="session="):
        origin_for(frame)
    assert origin_for(frame, other) is other.origin
    del other
    gc.collect()
    with pytest.raises(errors.SessionError, match="session="):
        origin_for(frame)  # the frame might be of the session that nobody holds any more


def test_a_batch_frame_goes_to_the_session_that_has_its_batches(tmp_path: Path) -> None:
    with FaultServer() as one, FaultServer() as another:
        ours = inf.Session(token=TOKEN, server=one.url)
        batch = ours.sample(2, seed=1, tag_fold=range(2)).infinity.submit()
        theirs = inf.Session(token=TOKEN, server=another.url)
        merged = batch.merge(pd.DataFrame({"tag_fold": range(2), "weight": [1.0, 2.0]}))
        assert "server" not in context(merged)
        assert origin_for(merged) is ours.origin
        assert merged.infinity.await_completion()["weight"].tolist() == [1.0, 2.0]
        results = merged.infinity.download(tmp_path / "results", quiet=True)
        assert origin_for(results.merge(merged[["job_id", "weight"]])) is ours.origin
        with pytest.raises(errors.SessionError, match="session="):
            origin_for(merged.drop(columns="batch_id"))
        both = pd.concat([merged, theirs.submit([{}]).frame])
        both.attrs.clear()
        with pytest.raises(errors.SessionError, match="session="):
            origin_for(both)  # no session has all of these batches
        again = inf.Session(token=TOKEN, server=one.url)
        assert origin_for(merged) is again.origin, "the same account"


def test_a_closed_session_is_no_longer_chosen() -> None:
    with FaultServer() as one, FaultServer() as another:
        ours = inf.Session(token=TOKEN, server=one.url)
        frame = ours.sample(1)
        frame["generator"] = ours.generator
        frame.attrs.clear()
        with inf.Session(token=TOKEN, server=another.url) as theirs:
            with pytest.raises(errors.SessionError, match="session="):
                origin_for(frame)
            of_theirs = theirs.sample(1)
        assert origin_for(frame) is ours.origin
        with pytest.raises(errors.SessionError, match="no session"):
            origin_for(of_theirs)
        assert origin_for(of_theirs, theirs) is theirs.origin
        assert theirs.submit([{}]).num_jobs == 1, "its verbs still work"


def test_a_frame_keeps_its_session(server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.tokens["another"] = "another account"
    monkeypatch.setenv("INFINITY_SERVER", server.url)
    monkeypatch.setenv("INFINITY_TOKEN", TOKEN)
    frame = inf.Session(token="another", server=server.url).sample(1)
    gc.collect()
    batch = frame.infinity.submit()
    theirs = inf.Session(token="another", server=server.url)
    assert theirs.batch_from_api(batch["batch_id"].iloc[0]).num_jobs == 1
    assert origin_for(frame) is theirs.origin  # opened again for the same account


def test_generators_are_kept_apart() -> None:
    other = replace(TEST_GENERATOR, name="spills-v0.1.0")
    with BaseServer(generators=(TEST_GENERATOR, other)) as server:
        vision = inf.Session(token=TOKEN, server=server.url)
        spills = inf.SpillsSession(token=TOKEN, server=server.url)
        assert origin_for(vision.sample(1)) is vision.origin
        assert origin_for(spills.sample(1)) is spills.origin
        mixed = pd.concat([vision.submit([{}]).frame, spills.submit([{}]).frame])
        with pytest.raises(errors.FrameError, match="several generators"):
            origin_for(mixed)
        with pytest.raises(errors.SessionError, match=r"spills-v0\.1\.0"):
            vision.batch_from_api(spills.submit([{}]).batch_id)


def test_sessions_of_a_generator_open_its_newest_version() -> None:
    names = ("sensefit-v0.9.0", "sensefit-v0.10.0", "spills-v0.1.0", "spills-v0.2.0")
    known = tuple(replace(TEST_GENERATOR, name=name) for name in names)
    with BaseServer(generators=known) as server:
        options: dict[str, Any] = {"token": TOKEN, "server": server.url}
        assert inf.SenseFitSession(**options).generator == "sensefit-v0.10.0"
        assert inf.SpillsSession(**options).generator == "spills-v0.2.0"
        assert inf.SpillsSession("spills-v0.1.0", **options).generator == "spills-v0.1.0"


def test_the_token_shows_nowhere(session: inf.Session, tmp_path: Path) -> None:
    batch = session.submit(session.sample(2), batch_name="n")
    batch.frame.to_parquet(tmp_path / "b.parquet")
    shown = repr([session, batch, session.rest, batch.frame.attrs, batch.frame.to_dict()])
    assert TOKEN not in shown
    assert TOKEN.encode() not in (tmp_path / "b.parquet").read_bytes()


def test_a_server_needs_a_real_address() -> None:
    with pytest.raises(errors.SessionError, match="address"):
        inf.Session(token=TOKEN, server="example")


# The embedded engine, its place taken by a server of the tests


@pytest.fixture
def engine(extended: FaultServer, monkeypatch: pytest.MonkeyPatch) -> FaultServer:
    for start in ("start_engine", "restart_engine"):
        monkeypatch.setattr(f"infinity_frames.launcher.{start}", lambda: extended.url)
    monkeypatch.setattr("infinity_frames.launcher.read_token", lambda: "engine-own")
    # A stand-in has no secret of a home; tests/client/test_engine_proof.py tries the real proof.
    monkeypatch.setattr("infinity_frames.client.origin.EngineProof", lambda path: None)
    extended.tokens["engine-own"] = "owner"
    return extended


def last_token(server: FaultServer) -> str:
    return server.requests[-1][2]["authorization"]


def test_the_embedded_engine_is_the_default_and_named_so(engine: FaultServer) -> None:
    session = inf.Session()
    assert session.server == "embedded"
    assert last_token(engine) == "Token engine-own"
    assert context(session.sample(1)) == {"server": "embedded", "generator": NAME}
    frame = session.sample(1)
    assert origin_for(frame) is session.origin


def test_which_token_goes_to_the_engine(
    engine: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.tokens["from-the-environment"] = "somebody"
    monkeypatch.setenv("INFINITY_TOKEN", "from-the-environment")
    inf.generators()
    assert last_token(engine) == "Token from-the-environment"
    inf.generators(token=TOKEN)
    assert last_token(engine) == f"Token {TOKEN}"
    # With another server in the environment, the token there is that server's.
    monkeypatch.setenv("INFINITY_SERVER", "https://elsewhere.example")
    inf.generators(server="embedded")
    assert last_token(engine) == "Token engine-own"


def test_the_token_of_the_environment_is_for_the_server_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("INFINITY_TOKEN", TOKEN)
    with BaseServer() as named, BaseServer() as other:
        monkeypatch.setenv("INFINITY_SERVER", named.url)
        with pytest.raises(errors.AuthenticationError):
            inf.Session(server=other.url)
        assert all(TOKEN not in str(request) for request in other.requests)
        assert inf.Session(server=named.url + "/").server == named.url


def test_an_engine_that_restarted_on_another_port_is_found(
    engine: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = inf.Session().submit([{}])
    engine.stop()
    batch.origin.rest._http.close()
    engine.port = 0
    engine.start()
    assert batch.refresh()["status"].tolist() == ["completed"]
