"""The command's arguments: parsed, or refused in words; no engine is started here."""

import argparse
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infinity_frames.cli import arguments, engine
from infinity_frames.cli import main as cli


@pytest.fixture
def served(monkeypatch):
    """The options with which `serve` would run."""
    seen: list[Any] = []
    monkeypatch.setattr(engine, "serve", seen.append)
    return seen


def test_options_of_a_file_and_of_the_command_line(served, tmp_path):
    file = tmp_path / "engine.toml"
    file.write_text(
        'port = 8000\nkeep = "30d"\nkeep-bytes = "1.5GB"\njob-memory = 10\n'
        'allow-host = ["a.example", "b.example"]\n'
    )
    assert cli.main(["serve", "--config", str(file), "--port", "9000"]) == 0
    (options,) = served
    assert (options.port, options.keep, options.keep_bytes) == (9000, 30 * 86400, 1_500_000_000)
    assert options.job_memory == 10 * 2**20
    assert options.allow_host == ["a.example", "b.example"]


@pytest.mark.parametrize("given", [["--token", "s3cret"], ["--token=s3cret"], ["x", "y", "s3cret"]])
@pytest.mark.parametrize("command", ["status", "list", "logs", "token", "serve"])
def test_an_error_about_arguments_does_not_repeat_their_values(command, given, capsys):
    with pytest.raises(SystemExit):
        cli.main([command, *given])
    assert "s3cret" not in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("text", "says"),
    [("port = ", "not valid TOML"), ("port = true", "not a text"), ("[port]\na = 1", "not a text")],
)
def test_a_bad_file_is_refused_in_words(served, tmp_path, capsys, text, says):
    file = tmp_path / "engine.toml"
    file.write_text(text)
    assert cli.main(["serve", "--config", str(file)]) == 1
    assert says in capsys.readouterr().err
    assert cli.main(["serve", "--config", str(tmp_path / "missing")]) == 1
    assert not served


def test_an_unknown_option_in_a_file_is_refused(served, tmp_path, capsys):
    file = tmp_path / "engine.toml"
    file.write_text("prot = 8000")
    with pytest.raises(SystemExit):
        cli.main(["serve", "--config", str(file)])
    assert "--prot" in capsys.readouterr().err


def test_the_environment_names_database_and_archives(served, monkeypatch):
    monkeypatch.setenv("INFINITY_DATABASE", "postgresql://host/x")
    monkeypatch.setenv("INFINITY_ARCHIVES", "s3://bucket")
    cli.main(["serve"])
    assert (served[0].database, served[0].archives) == ("postgresql://host/x", "s3://bucket")


@given(st.text())
def test_times_and_sizes_are_numbers_or_refused(text):
    for parse in (arguments.duration, arguments.size):
        try:
            value = parse(text)
        except argparse.ArgumentTypeError as error:
            refused = str(error)
            if "such as" not in refused:
                pytest.fail(refused)
        else:
            assert value >= 0
