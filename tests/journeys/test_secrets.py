"""The token is in the engine's 0600 file and in the header of a request, and nowhere else."""

import logging
import pickle
import traceback
import zipfile
from pathlib import Path

import pandas as pd
import psutil
import pytest
from wire_client import WireClient

import infinity_frames as inf
from infinity_frames import launcher as embedded
from infinity_frames.client import registry
from infinity_frames.protocol import errors

pytestmark = pytest.mark.slow


@pytest.fixture
def session(tmp_path, toys, monkeypatch):
    """A session on an embedded engine that the client itself starts."""
    for name, value in {**toys, "INFINITY_HOME": str(tmp_path / "home")}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(registry, "opened", [])  # fixtures of other tests have other homes
    try:
        yield inf.Session("toy-v1.0.0")
    finally:
        embedded.stop_engine(tmp_path / "home")


def everything_written(folder):
    """Bytes of every file, and of every member of every zip."""
    for path in folder.rglob("*"):
        if path.is_file():
            yield path, path.read_bytes()
            if zipfile.is_zipfile(path):
                with zipfile.ZipFile(path) as archive:
                    yield from ((path / name, archive.read(name)) for name in archive.namelist())


def test_the_token_shows_nowhere(session, tmp_path, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    token = embedded.read_token(tmp_path / "home")
    assert len(token) > 40
    jobs = session.sample(2, seed=1, behaviour=["work", "refuse"], kilobytes=1, seconds=0.0)
    frames = {"jobs": jobs}
    frames["submitted"] = frames["jobs"].infinity.submit(name="secret")
    with pytest.warns(UserWarning, match="1 of 2 jobs failed"):
        frames["finished"] = frames["submitted"].infinity.await_completion(timeout=60)
    out = tmp_path / "out"
    frames["results"] = frames["finished"].infinity.download(out / "batch", quiet=True)
    frames["swept"] = frames["results"].infinity.sweep(size=[0.1, 0.2])
    told = [repr(session), str(vars(session)), repr(session.rest), repr(frames["jobs"].infinity)]
    told.append(repr(frames["finished"].infinity.batch))

    # What is shared or kept: files of every kind, and what was printed and logged.
    for name, frame in frames.items():
        frame.to_parquet(out / f"{name}.parquet")
        frame.to_csv(out / f"{name}.csv")
        (out / f"{name}.pickle").write_bytes(pickle.dumps(frame))
        told += [frame.to_string(), frame._repr_html_(), str(frame.attrs)]
        restored = pd.read_parquet(out / f"{name}.parquet")
        assert token not in str(restored.attrs)
    told += [caplog.text, *capfd.readouterr()]

    # Errors, with everything they carry.
    for fail in (
        lambda: session.rest.generator("nobody"),
        lambda: session.rest.batch("00000000-0000-4000-8000-000000000000"),
        lambda: session.jobs([{"frames": -1}]).infinity.submit(),
        lambda: inf.Session("toy-v1.0.0", token=token + "x"),
        lambda: session_of_a_dead_server(token),
    ):
        with pytest.raises(errors.InfinityError) as caught:
            fail()
        told += [str(caught.value), repr(caught.value), str(caught.value.where)]
        told += traceback.format_exception(caught.value)

    with pytest.raises(TypeError):
        pickle.dumps(session)

    # Everybody on the machine may list processes.
    for process in psutil.process_iter(["cmdline"]):
        told.append(" ".join(process.info["cmdline"] or ()))

    assert [text for text in told if token in text] == []
    holding = [path for path, content in everything_written(tmp_path) if token.encode() in content]
    assert holding == [tmp_path / "home" / "token"]
    assert holding[0].stat().st_mode & 0o077 == 0
    record = (out / "batch" / "batch.json").read_text()
    assert "result_url" not in record
    assert "signature" not in record


def test_no_worker_is_handed_a_token(idle_engine):
    """Workers run the code of any generator that is installed."""
    idle_engine.environment["INFINITY_TOKEN"] = "of-another-server"
    engine = idle_engine.start("--workers", "1")
    with WireClient(engine.url, engine.token) as client:
        client.finished(client.submit({}).json()["id"])
    children = engine.family()[1:]
    assert children
    for child in children:
        environment = Path(f"/proc/{child.pid}/environ").read_text()
        assert "INFINITY_HOME" in environment
        assert "INFINITY_TOKEN" not in environment
        assert "of-another-server" not in environment
        assert engine.token not in environment


def session_of_a_dead_server(token):
    return inf.Session("toy-v1.0.0", server="http://127.0.0.1:9", token=token)
