"""`results.infinity.explore()`: the explorer of a frame, without an engine; the selection back."""

from __future__ import annotations

import shutil
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pandas as pd
import pytest
import requests
import vis_factory as factory
from browsing import accessibility_problems, needs_chromium
from engine_fixtures import eventually

import infinity_frames as inf
from infinity_frames.protocol.errors import FrameError

pytestmark = pytest.mark.slow

SAMPLES = Path(__file__).parents[3] / "shared" / "samples"


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> pd.DataFrame:
    root = tmp_path_factory.mktemp("batch")
    for number, scene in enumerate(("GYM_1", "GYM_2", "GYM_1")):
        factory.make_job(root / f"job-{number}", 6, scene=scene, num_reps=number)
    return inf.read_results(root, quiet=True)


@pytest.fixture
def view(results):
    made = results.infinity.explore(browser=False)
    yield made
    made.close()


@pytest.fixture
def notebook():
    """Serves a page as a notebook server on this machine does; returns its address."""
    served: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(served[-1].encode())

        def log_message(self, *_) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()

    def serve(html: str) -> str:
        served.append(html)
        return f"http://localhost:{server.server_port}/"

    yield serve
    server.shutdown()
    server.server_close()
    thread.join()


def test_only_frames_with_results(results) -> None:
    with pytest.raises(FrameError, match="no rows"):
        results.head(0).infinity.explore(browser=False)
    with pytest.raises(FrameError, match="path"):
        results.drop(columns="path").infinity.explore(browser=False)


def test_the_address_is_the_permission(view, results) -> None:
    other = results.head(1).infinity.explore(browser=False)
    assert requests.get(view.url, timeout=30).status_code == 200
    origin = "http://" + urlsplit(view.url).netloc
    assert requests.get(f"{origin}/guess/", timeout=30).status_code == 404
    foreign = requests.get(view.url, headers={"Host": "evil.example"}, timeout=30)
    assert foreign.status_code == 403
    for path in (
        "../../etc/passwd",
        "job/99",
        "picture/-1",
        "static/..%2fpages.py",
        "job/0/secret",
    ):
        assert requests.get(view.url + path, timeout=30).status_code == 404, path
    other.close()
    assert requests.get(other.url, timeout=30).status_code == 404
    assert requests.get(view.url, timeout=30).status_code == 200


def test_a_browser_that_breaks_its_connection_prints_nothing(view, capfd) -> None:
    address = urlsplit(view.url)
    before = set(threading.enumerate())
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        eventually(lambda: set(threading.enumerate()) - before)
        # Without lingering, closing resets the connection.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    eventually(lambda: not set(threading.enumerate()) - before)
    assert capfd.readouterr().err == ""


def test_only_its_own_page_selects(view, results) -> None:
    path = f"{view.url}selection"
    origin = "http://" + urlsplit(view.url).netloc

    def select(rows, **headers) -> int:
        return requests.post(path, json={"rows": rows}, headers=headers, timeout=30).status_code

    assert select([0]) == 403
    assert select([0], Origin="http://evil.example") == 403
    for wrong in ([len(results)], [-1], ["0"], [True], "0", 3):
        assert select(wrong, Origin=origin) == 400
    assert len(view.selected) == len(results)
    assert select([1, 0, 1], Origin=origin) == 200
    pd.testing.assert_frame_equal(view.selected, results.iloc[[0, 1]])


def test_videos_are_served_in_parts(view, results) -> None:
    whole = Path(results["video"].iloc[0]).read_bytes()
    url = f"{view.url}job/0/video"
    for asked, part in (("bytes=0-9", slice(0, 10)), ("bytes=20-", slice(20, None))):
        answer = requests.get(url, headers={"Range": asked}, timeout=30)
        assert answer.status_code == 206
        assert answer.content == whole[part]
    assert requests.get(url, headers={"Range": "bytes=-5"}, timeout=30).content == whole[-5:]
    for odd in ("bytes=9-3", "bytes=-", "lines=1-2", f"bytes={len(whole)}-"):
        answer = requests.get(url, headers={"Range": odd}, timeout=30)
        assert (answer.status_code, answer.content) == (200, whole), odd


@needs_chromium
def test_a_selection_in_the_iframe_of_a_notebook_is_a_frame(visit, view, results, notebook) -> None:
    page = visit.page
    page.goto(notebook(f"<title>Notebook</title><main>{view._repr_html_()}</main>"))
    inside = page.frame_locator("iframe")
    inside.locator("body[data-ready]").wait_for()
    assert inside.locator("#count").inner_text() == f"{len(results)} of {len(results)} jobs"
    inside.locator(".tile[data-row='1'] input").check()
    inside.locator("body[data-sent='1']").wait_for()
    pd.testing.assert_frame_equal(view.selected, results.iloc[[1]])
    inside.locator("#clear").click()
    inside.locator("body[data-sent='all']").wait_for()
    inside.locator("[data-column='scene'] .levels button").first.click()
    inside.locator("body[data-sent='2']").wait_for()
    assert list(view.selected["job_id"]) == ["job-0", "job-2"]
    names = {"results": results}
    exec(inside.locator("#python").text_content(), names)
    assert list(names["chosen"]["job_id"]) == list(view.selected["job_id"])
    found = results.infinity.sql(inside.locator("#sql").text_content())
    assert list(found["job_id"]) == list(view.selected["job_id"])


@needs_chromium
def test_results_that_no_engine_made(visit, tmp_path) -> None:
    if not SAMPLES.is_dir():
        pytest.skip("the real samples are not on this machine")
    for name in ("imu-random-motion", "spills-basic"):
        shutil.copytree(SAMPLES / name, tmp_path / name)
    view = inf.read_results(tmp_path, quiet=True).infinity.explore(browser=False)
    visit.page.goto(view.url)
    visit.page.wait_for_selector("body[data-ready]")
    assert accessibility_problems(visit.page) == []
    for row, drawn in ((0, ".curve"), (1, "#stage[data-drawn]")):
        visit.page.goto(f"{view.url}job/{row}")
        visit.page.wait_for_selector("body[data-ready]")
        visit.page.wait_for_selector(drawn)
        assert accessibility_problems(visit.page) == []
    view.close()
