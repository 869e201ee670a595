"""An engine that renders sprites, shared by the tests of experiments."""

import os

import pytest
from engine_fixtures import TESTS, EngineProcess

import infinity_frames as inf


@pytest.fixture(scope="session")
def sprite_engine(tmp_path_factory):
    """A running engine with the generator of sprites, installed as a user's package is."""
    root = tmp_path_factory.mktemp("sprites")
    package = root / "site" / "sprites-1.0.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: sprites\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text(
        "[infinity_frames.generators]\nsprites-v1.0.0 = sprites:Sprites\n"
    )
    path = [str(root / "site"), str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]
    made = EngineProcess(root / "home", {"PYTHONPATH": os.pathsep.join(path)})
    try:
        yield made.start("--workers", "2")
    finally:
        made.stop()


@pytest.fixture
def sprites(sprite_engine, monkeypatch):
    """A session of the generator of sprites on the embedded engine of this process."""
    monkeypatch.setenv("INFINITY_HOME", str(sprite_engine.home))
    return inf.Session("sprites-v1.0.0")


@pytest.fixture(scope="session")
def pictures(sprite_engine, tmp_path_factory):
    """The folder of 24 previews of sprites, each with up to eight distractors."""
    before = os.environ["INFINITY_HOME"]
    os.environ["INFINITY_HOME"] = str(sprite_engine.home)
    try:
        folder = tmp_path_factory.mktemp("pictures") / "batch"
        session = inf.Session("sprites-v1.0.0")
        session.sample(24, seed=1).infinity.run(folder, preview=True)
    finally:
        os.environ["INFINITY_HOME"] = before
    return folder
