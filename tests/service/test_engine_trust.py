"""Generators that break every rule cost their own jobs only, and their owners learn why."""

import contextlib
import json
import os
import re
from typing import cast

import psutil
import pytest
from engine_fixtures import check_books, eventually
from hypothesis import given
from hypothesis import strategies as st
from wire_client import WireClient

from infinity_frames.engine.service.outcomes import checked_outcome, clean_text
from infinity_frames.engine.service.ports import MAX_SAMPLES, Archives, Outcome, StoredArchive

pytestmark = pytest.mark.slow

HOSTILE = "hostile-v1.0.0"


def ended(client, generator=HOSTILE, **params):
    """The one job of a batch, after it has ended."""
    made = client.submit(params, generator=generator)
    assert made.status_code == 201, made.text
    return client.finished(made.json()["id"])["job_runs"][0]


@pytest.mark.parametrize(
    "returns",
    ["2**70", "-1", "-1000000", "None", "1.5", "True", "'3'", "float('nan')", f"{MAX_SAMPLES + 1}"],
)
def test_a_number_of_samples_that_is_none_fails_the_job(client, returns):
    job = ended(client, returns=returns)
    assert job["status"] == "failed"
    assert "samples" in job["error"]
    assert "whole number from 0" in job["error"]


def test_numpy_integers_and_zero_are_numbers_of_samples(client):
    assert ended(client, returns="np.int32(3)")["num_samples"] == 3
    assert ended(client, returns="0")["num_samples"] == 0


@pytest.mark.parametrize(
    ("writes", "reason"),
    [
        ("nothing", "no files"),
        ("a link", "symbolic link"),
        ("a linked folder", "symbolic link"),
        ("cut labels", "labels.json is not valid JSON"),
        ("labels with a list as id", "distinct ids"),
        ("a folder as labels", "labels.json is a folder"),
        ("a name with a line break", "cannot be used on every system"),
        ("a name that is no UTF-8", "cannot be used on every system"),
        ("names that differ in case", "contains a file twice"),
        ("a zip bomb", "which clients refuse"),
        ("an empty video", "video.mp4 is empty"),
        ("a list as labels", "labels.json is not a JSON object"),
        ("labels of a frame that is missing", "image_id"),
        ("labels that are no numbers", "labels.json holds malformed labels"),
        ("a broken video", "video.mp4 cannot be read"),
        ("a ragged series", "data.csv"),
    ],
)
def test_broken_output_fails_the_job_with_its_reason(client, writes, reason):
    job = ended(client, writes=writes)
    assert (job["status"], job["num_samples"], job["result_url"]) == ("failed", None, None)
    assert reason in job["error"]


def test_labels_must_have_as_many_frames_as_reported(client):
    assert ended(client, writes="good labels")["status"] == "completed"
    job = ended(client, writes="good labels", returns="2")
    assert job["status"] == "failed"
    assert "1 frames" in job["error"]


def test_what_sys_exit_says_reaches_the_owner(client):
    job = ended(client, does="exit")
    assert job["status"] == "failed"
    assert "giving up" in job["error"]


def test_an_error_text_that_is_not_unicode_is_cleaned(client):
    job = ended(client, does="surrogate")
    assert job["status"] == "failed"
    assert "cannot read caf?.png" in job["error"]


def test_the_owner_of_a_failed_job_and_nobody_else_gets_its_traceback(client, stranger):
    job = ended(client, does="deep error")
    assert job["error"] == "ValueError: at the bottom"
    path = f"/api/job_runs/{job['id']}/traceback/"
    text = client.get(path).json()["traceback"]
    assert text.startswith("Traceback")
    assert "_recurse" in text
    assert stranger.get(path).status_code == 404
    good = ended(client)
    assert client.get(f"/api/job_runs/{good['id']}/traceback/").json() == {"traceback": None}


@pytest.mark.parametrize(
    ("does", "reason"),
    [
        ("forge a report", "unreadable report"),
        ("send a pickle that ends the engine", "unreadable report"),
        ("send an endless report", "unreadable report"),
        ("send half a report", "longer than its limit"),
        ("report rendering again and again", "longer than its limit"),
    ],
)
def test_a_forged_report_of_a_worker_fails_its_job_only(client, does, reason):
    job = ended(client, does=does)
    assert job["status"] == "failed"
    assert reason in job["error"]
    assert ended(client)["status"] == "completed"


@pytest.mark.parametrize(
    ("does", "error"),
    [
        ("raise what has no text", "Unprintable: (no message: __str__() raised SystemExit)"),
        ("leave a thread, raise what has no text", "Unprintable: (no message"),
        ("raise as a closed pipe", "BrokenPipeError: my renderer has gone"),
        ("raise as a cut file", "EOFError: my file is cut"),
    ],
)
def test_any_error_reaches_the_owner(client, does, error):
    job = ended(client, does=does)
    assert job["status"] == "failed"
    assert job["error"].startswith(error)


def test_what_a_generator_prints_keeps_nobody_waiting(client):
    """Nothing reads the standard output of this engine, which is a pipe."""
    assert ended(client, does="print")["status"] == "completed"
    assert ended(client, estimates="prints")["status"] == "completed"


def test_a_job_that_spoils_its_process_fails_no_other(idle_engine):
    idle_engine.start("--workers", "1")
    with WireClient(idle_engine.url, idle_engine.token) as client:
        assert ended(client, "toy-v1.0.0")["status"] == "completed"
        assert ended(client, does="spoil the process")["status"] == "completed"
        assert ended(client)["status"] == "completed"
        assert ended(client, does="spoil the process")["status"] == "completed"
        assert ended(client, "toy-v1.0.0")["status"] == "completed"


@pytest.mark.parametrize("estimates", ["raises", "exits", "short", "-5", "99999999999999", "1.5"])
def test_a_broken_estimate_is_the_reason_of_a_refusal(client, estimates):
    answer = client.submit({"estimates": estimates}, generator=HOSTILE)
    assert answer.status_code == 400
    assert HOSTILE in answer.json()["detail"]
    assert "estimate" in answer.json()["detail"]


def living_children(engine):
    """What the job of a hostile generator has started: three programs and a fork of its worker."""
    started = set()
    for one in engine.family():
        with contextlib.suppress(psutil.NoSuchProcess):
            if "sleep(3600)" in " ".join(one.cmdline()):
                started.add(one.pid)
    forked = (path.read_text() for path in (engine.home / "scratch").rglob("forked"))
    return started | {int(pid) for pid in forked if pid}


def submitted_children(client, engine):
    """Submit a job, and wait for the processes that it starts."""
    made = client.submit({"does": "children"}, generator=HOSTILE).json()
    eventually(lambda: len(living_children(engine)) >= 4)
    return made, [psutil.Process(pid) for pid in living_children(engine)]


def test_cancelling_kills_children_and_their_children_and_deletes_files(idle_engine):
    idle_engine.start("--workers", "1")
    with WireClient(idle_engine.url, idle_engine.token) as client:
        made, children = submitted_children(client, idle_engine)
        client.post(f"/api/batch/{made['id']}/cancel/")
        eventually(lambda: not any(one.is_running() for one in children))
        eventually(lambda: not list((idle_engine.home / "scratch").glob("*.*/")))


def test_children_of_a_worker_die_with_a_killed_engine(idle_engine):
    idle_engine.start("--workers", "1")
    with WireClient(idle_engine.url, idle_engine.token) as client:
        _, children = submitted_children(client, idle_engine)
    idle_engine.kill()
    eventually(lambda: not any(one.is_running() for one in children))


def test_children_of_a_worker_die_with_it(idle_engine):
    """They have lost their parent by then, so they are found by the mark of its family."""
    idle_engine.start("--workers", "1")
    with WireClient(idle_engine.url, idle_engine.token) as client:
        made, children = submitted_children(client, idle_engine)
        (worker,) = idle_engine.workers()
        worker.kill()
        eventually(lambda: not any(one.is_running() for one in children))
        client.post(f"/api/batch/{made['id']}/cancel/")


def test_the_memory_of_children_counts(client):
    job = ended(client, does="hoarding child")
    assert job["status"] == "failed"
    assert "memory" in job["error"]


@pytest.mark.parametrize(
    ("generator", "does", "says"),
    [
        ("limited-v1.0.0", "sleep", "longer than its limit of 2 s"),
        ("frugal-v1.0.0", "hoard a little", "more memory than its limit of 0.44 GiB"),
    ],
)
def test_a_generator_states_limits_of_its_own(client, generator, does, says):
    job = ended(client, generator, does=does)
    assert (job["status"], says in job["error"]) == ("failed", True), job["error"]


def test_what_a_timed_out_job_wrote_is_deleted(client, shared_engine):
    job = ended(client, does="sleep")
    assert "longer than its limit" in job["error"]
    left = [path.name for path in (shared_engine.home / "scratch").iterdir()]
    assert not [name for name in left if name.startswith(job["id"])]


def test_a_worker_that_hangs_without_a_job_is_replaced(idle_engine):
    idle_engine.start("--workers", "1")
    with WireClient(idle_engine.url, idle_engine.token) as client:
        client.finished(client.submit({}, generator=HOSTILE).json()["id"])
        (worker,) = idle_engine.workers()
        worker.suspend()
        made = client.submit({}, generator=HOSTILE).json()
        eventually(lambda: client.summary(made["id"])["job_runs"][0]["status"] == "running")
        client.post(f"/api/batch/{made['id']}/cancel/")
        assert ended(client)["status"] == "completed"


def test_a_job_too_large_for_the_disk_fails_and_others_run(idle_engine):
    idle_engine.start("--workers", "1")
    with WireClient(idle_engine.url, idle_engine.token) as client:
        too_large = client.submit({"behaviour": "full"}).json()
        other = client.submit({}).json()
        assert client.finished(other["id"])["job_runs"][0]["status"] == "completed"
        job = client.finished(too_large["id"], timeout=60)["job_runs"][0]
        assert job["status"] == "failed"
        assert "disk was full in each of 3 attempts" in job["error"]
    check_books(idle_engine.home)


# Generators that cannot be used, and new ones


def test_generators_that_cannot_be_used_are_listed_with_the_reason(client):
    listed = client.get("/api/jobs/")
    assert listed.status_code == 200
    assert not [one for one in listed.json() if one["name"].startswith(("leaver", "undescribed"))]
    client.http.headers["Infinity-Extensions"] = "broken"
    try:
        broken = {one["name"]: one.get("error") for one in client.get("/api/jobs/").json()}
    finally:
        del client.http.headers["Infinity-Extensions"]
    assert broken[HOSTILE] is None
    assert re.fullmatch(
        r"SystemExit: needs CUDA \(.*leaving_generator\.py, line 3\)", broken["leaver-v1.0.0"]
    )
    assert broken["exiter-v1.0.0"] == "importing it ended its process with exit code 7"
    assert re.search(
        r"its spec is .*hostile_generator\.py, line \d+\)", broken["undescribed-v1.0.0"]
    )
    assert "its limits are of type float; expected Limits" in broken["unlimited-v1.0.0"]
    assert "Missing" in broken["broken-v1.0.0"]
    for name in ("leaver-v1.0.0", "undescribed-v1.0.0"):
        answer = client.get(f"/api/jobs/{name}/")
        assert answer.status_code == 404
        assert "cannot be used" in answer.json()["detail"]
        refused = client.submit({}, generator=name)
        assert refused.status_code == 400
        assert "cannot be used" in refused.json()["detail"]


def test_a_session_says_why_a_generator_cannot_be_used(shared_engine):
    import infinity_frames as inf

    with pytest.raises(inf.errors.UnknownGenerator, match="needs CUDA"):
        inf.Session("leaver-v1.0.0", server=shared_engine.url, token=shared_engine.token)


def test_a_package_installed_while_the_engine_runs_is_found(idle_engine, tmp_path, toys):
    site = tmp_path / "site"
    site.mkdir()
    idle_engine.environment["PYTHONPATH"] += os.pathsep + str(site)
    idle_engine.start("--workers", "1")
    with WireClient(idle_engine.url, idle_engine.token) as client:
        client.finished(client.submit({}).json()["id"])
        info = site / "late-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: late\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(
            "[infinity_frames.generators]\nlate-v1.0.0 = late:Late\n"
        )
        (site / "late.py").write_text(
            "from dataclasses import replace\n"
            "from toy_generator import Toy\n"
            "class Late(Toy):\n"
            "    spec = replace(Toy.spec, name='late-v1.0.0')\n"
        )
        names = {one["name"] for one in client.get("/api/jobs/").json()}
        assert "late-v1.0.0" in names
        made = client.submit({}, generator="late-v1.0.0").json()
        assert client.finished(made["id"])["job_runs"][0]["status"] == "completed"


# Outcomes, whatever a runner reports


class Stored:
    """Archives that hold every job but one."""

    def find(self, job_id):
        return None if job_id == "missing" else StoredArchive(10)


anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(),
    st.lists(st.none()),
)


@given(
    job_id=st.sampled_from(["missing", "there"]),
    kind=anything | st.sampled_from(["completed", "failed", "lost", "no_space"]),
    error=anything | st.text(st.characters(codec=None)),
    samples=anything,
    sha256=anything | st.just("0" * 64),
    labels=anything
    | st.dictionaries(st.text(), anything)
    | st.fixed_dictionaries({"num_frames": anything}),
)
def test_every_outcome_can_be_recorded(job_id, kind, error, samples, sha256, labels):
    outcome = Outcome(job_id, kind, error=error, samples=samples, sha256=sha256, labels=labels)
    checked = checked_outcome(outcome, cast(Archives, Stored()))
    assert checked.kind in ("completed", "failed", "lost", "no_space")
    checked.error.encode("utf-8")
    assert "\0" not in checked.error
    json.dumps([checked.error, checked.labels], allow_nan=False)
    if checked.kind == "completed":
        assert job_id == "there"
        assert type(checked.samples) is int
        assert 0 <= checked.samples <= MAX_SAMPLES
    elif kind == "completed":
        assert checked.error


@given(st.text(st.characters(codec=None)), st.integers(20, 100))
def test_clean_text_is_short_and_storable(text, length):
    assert len(clean_text(text, length)) <= length
    clean_text(text, length).encode()
