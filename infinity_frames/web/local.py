"""The explorer of a results frame: a small server on this machine, and the rows selected there.

It needs no engine. An address contains a random key, which is the permission to see one frame:
pages inside a notebook cannot have cookies.
"""

from __future__ import annotations

import gzip
import os
import re
import secrets
import shutil
import sys
import threading
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pandas as pd

from infinity_frames.data.frames import job_files
from infinity_frames.data.layout import JobFiles
from infinity_frames.protocol.errors import FrameError, InfinityError, NoResults
from infinity_frames.protocol.schemas import RESULTS, TAG_PREFIX
from infinity_frames.vis.style import in_notebook
from infinity_frames.web.job_data import (
    curves_json,
    labels_json,
    media_json,
    thumbnail,
)
from infinity_frames.web.pages import NOTEBOOKS, render, security_headers, static_file
from infinity_frames.web.tables import Column, shown, table_json

__all__ = ["View", "explore"]

_HIDDEN = frozenset(("job_id", "path", "video", "batch_id"))
_STATE = ("status", "error")
_MAX_BODY = 16 * 2**20
_COMPRESSED_FROM = 2000  # bytes
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_HOSTS = frozenset(("127.0.0.1", "localhost"))
_MOST_SIBLINGS = 24


class View:
    """The explorer of some rows, in a notebook's output or a browser tab.

    Parameters
    ----------
    frame : DataFrame
        The rows that it shows.
    url : str
        Its address, for a browser on this machine.
    """

    def __init__(self, frame: pd.DataFrame, url: str, content: _Content) -> None:
        self.frame = frame
        self.url = url
        self._content = content

    @property
    def selected(self) -> pd.DataFrame:
        """The rows that are selected on the page, as a frame.

        If no picture is selected there, these are the rows that pass the filters.
        """
        rows = self._content.selection
        return self.frame.copy() if rows is None else self.frame.iloc[rows].copy()

    def open(self) -> None:
        """Open the explorer in a browser tab."""
        webbrowser.open(self.url)

    def close(self) -> None:
        """Stop serving these rows; the pages that show them stop working."""
        _views.pop(self._content.key, None)

    def __repr__(self) -> str:
        return f"<View of {len(self.frame)} jobs: {self.url}>"

    def _repr_html_(self) -> str:
        address = escape(self.url)
        return (
            f'<iframe src="{address}" title="Explorer of {len(self.frame)} jobs" '
            'style="width: 100%; height: 800px; border: 0"></iframe>'
            f'<p><a href="{address}" target="_blank">Open in a tab</a></p>'
        )


def explore(
    results: pd.DataFrame, *, path: str | Path | None = None, browser: bool | None = None
) -> View:
    """Show rows of results in the explorer.

    Parameters
    ----------
    results : DataFrame
        Results frame, possibly filtered, of one folder or several.
    path : path, optional
        The folder that the results are in now, if they were moved.
    browser : bool, optional
        Open a browser tab. By default one is opened outside of notebooks.

    Raises
    ------
    FrameError
        The frame has no downloaded jobs.
    """
    RESULTS.require(results, ["job_id"] if path is not None else ["job_id", "path"], "explore()")
    if not len(results):
        raise FrameError("The frame has no rows, so there is nothing to explore.")
    content = _Content(results.copy(), path)
    _views[content.key] = content
    view = View(content.frame, f"http://127.0.0.1:{_port()}/{content.key}/", content)
    if browser or (browser is None and not in_notebook()):
        view.open()
    return view


@dataclass
class _Content:
    """One frame with what its pages need."""

    frame: pd.DataFrame
    path: str | Path | None
    key: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    selection: list[int] | None = None
    _files: dict[int, JobFiles] = field(default_factory=dict)
    _columns: list[Column] | None = None

    @property
    def columns(self) -> list[Column]:
        if self._columns is None:
            self._columns = _columns(self.frame)
        return self._columns

    def files(self, row: int) -> JobFiles:
        if row not in self._files:
            found = job_files(self.frame.iloc[[row]], path=self.path)
            if not found:
                raise NoResults("This job has no files here.")
            self._files[row] = found[0]
        return self._files[row]


_views: dict[str, _Content] = {}
_starting = threading.Lock()
_running: dict[int, int] = {}
"""Port of the server of this process, by process id: a forked process starts its own."""


def _port() -> int:
    with _starting:
        if os.getpid() not in _running:
            server = _Server(("127.0.0.1", 0), _Handler)
            threading.Thread(target=server.serve_forever, daemon=True, name="explorer").start()
            _running[os.getpid()] = server.server_port
        return _running[os.getpid()]


# Columns


def _columns(frame: pd.DataFrame) -> list[Column]:
    known = {str(name): _values(frame[name]) for name in frame.columns}
    if "status" not in known:
        known["status"] = ["completed"] * len(frame)
    known.setdefault("error", [None] * len(frame))
    out = [Column(name, "state", known[name]) for name in _STATE]
    several = frame["batch_id"].nunique() > 1 if "batch_id" in frame.columns else False
    hidden = _HIDDEN - {"batch_id"} if several else _HIDDEN
    names = [name for name in known if name not in hidden and name not in _STATE]
    groups = {name: _group(name) for name in names}
    order = ("label", "parameter", "tag")
    names.sort(key=lambda name: order.index(groups[name]))
    return out + [Column(name, groups[name], known[name]) for name in names]


def _group(name: str) -> str:
    if name.startswith(TAG_PREFIX):
        return "tag"
    return "label" if name in RESULTS.columns else "parameter"


def _values(values: pd.Series[Any]) -> list[Any]:
    if pd.api.types.is_datetime64_any_dtype(values):
        values = values.dt.strftime("%Y-%m-%d %H:%M:%S")
    missing = values.isna().to_numpy()
    objects = values.astype(object).tolist()
    return [
        None if gone else getattr(value, "item", lambda value=value: value)()
        for value, gone in zip(objects, missing, strict=True)
    ]


# Pages and data of one frame


def _page(content: _Content) -> bytes:
    count = len(content.frame)
    return render(
        "batch.html",
        base=f"/{content.key}",
        data=f"/{content.key}",
        links=f"/{content.key}/job/",
        account=None,
        title=f"{count:,} job{'' if count == 1 else 's'}",
        subtitle="",
        source="jobs = results",
        labeled="jobs = results",
        live=None,
        selection=True,
    )


def _table(content: _Content, query: dict[str, list[str]]) -> bytes:
    ids = [str(row) for row in range(len(content.frame))]
    job_ids = [str(job_id) for job_id in content.frame["job_id"]]
    return table_json(ids, content.columns, query.get("column"), job_ids=job_ids)


def _job_page(content: _Content, row: int) -> bytes:
    values = {column.name: column.values[row] for column in content.columns}
    job_id = str(content.frame["job_id"].iloc[row])
    sections = {"tag": "Tags", "parameter": "Parameters", "label": "Labels"}
    return render(
        "job.html",
        base=f"/{content.key}",
        account=None,
        title=f"Job {job_id}",
        back=f"/{content.key}/",
        back_title="all jobs",
        facts=[str(values["status"])],
        error=values["error"],
        trace=None,
        data=f"/{content.key}/job/{row}" if values["status"] == "completed" else "",
        siblings=_siblings(content, row),
        values=[(heading, _rows_of(content, group, row)) for group, heading in sections.items()],
        code=f'job = results[results["job_id"] == {job_id!r}]',
    )


def _rows_of(content: _Content, group: str, row: int) -> list[dict[str, str]]:
    """Return names and values of the columns of a group that have a value in this row."""
    return [
        {"name": column.name, "value": shown(column.values[row]), "unit": "", "description": ""}
        for column in content.columns
        if column.group == group and column.values[row] is not None
    ]


def _siblings(content: _Content, row: int) -> list[dict[str, Any]]:
    """Return rows with the same random decisions: copies of a sweep have the same state or seed."""
    columns = {column.name: column.values for column in content.columns}
    for name in ("state", "random_seed"):
        mine = columns.get(name, [None] * (row + 1))[row]
        if mine is None:
            continue
        rows = [at for at, other in enumerate(columns[name]) if other == mine and at != row]
        if rows:
            return [_sibling(content, row, at) for at in rows[:_MOST_SIBLINGS]]
    return []


def _sibling(content: _Content, row: int, other: int) -> dict[str, Any]:
    differs = [
        (column.name, shown(column.values[other]))
        for column in content.columns
        if column.group == "parameter" and column.values[row] != column.values[other]
    ]
    href = f"/{content.key}/job/{other}"
    return {
        "id": str(other),
        "href": href,
        "picture": f"/{content.key}/picture/{other}",
        "differs": differs,
    }


_JOB_DATA: dict[str, Callable[[JobFiles, dict[str, list[str]]], bytes]] = {
    "media": lambda files, _: media_json(files),
    "curves": lambda files, _: curves_json(files),
    "labels": lambda files, query: labels_json(
        files, _integer(query, "start", 0), max(1, _integer(query, "count", 60))
    ),
}


def _integer(query: dict[str, list[str]], name: str, default: int) -> int:
    text = query.get(name, [""])[0]
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else default


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print the traceback of an error, but not if a browser closed its connection."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """Serves the frames in `_views` to browsers on this machine."""

    protocol_version = "HTTP/1.1"
    server_version = "infinity-frames"
    sys_version = ""

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def log_message(self, *_: Any) -> None:
        """Log nothing: addresses grant access."""

    def _answer(self, act: Callable[[_Content, list[str], dict[str, list[str]]], None]) -> None:
        try:
            host = self.headers.get("Host", "")
            url = urlsplit(self.path)
            _, key, *parts = url.path.split("/")
            content = _views.get(key)
            if urlsplit(f"//{host}").hostname not in _HOSTS:
                self._fail(HTTPStatus.FORBIDDEN, "This server answers on this machine only.")
            elif content is None:
                self._fail(HTTPStatus.NOT_FOUND, "This view was closed. Call explore() again.")
            else:
                act(content, parts, parse_qs(url.query))
        except InfinityError as error:
            self._fail(HTTPStatus.NOT_FOUND, str(error))
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _get(self, content: _Content, parts: list[str], query: dict[str, list[str]]) -> None:
        match parts:
            case [""]:
                self._send(_page(content), "text/html; charset=utf-8")
            case ["static", name] if (found := static_file(name)) is not None:
                self._send(found[0], f"{found[1]}; charset=utf-8")
            case ["table"]:
                self._send(_table(content, query), "application/json")
            case ["picture", row] if _is_row(content, row):
                self._send(thumbnail(content.files(int(row))), "image/jpeg", kept=True)
            case ["job", row] if _is_row(content, row):
                self._send(_job_page(content, int(row)), "text/html; charset=utf-8")
            case ["job", row, ("video" | "picture") as kind] if _is_row(content, row):
                files = content.files(int(row))
                self._send_file(files.video if kind == "video" else files.picture)
            case ["job", row, kind] if _is_row(content, row) and kind in _JOB_DATA:
                data = _JOB_DATA[kind](content.files(int(row)), query)
                self._send(data, "application/json")
            case _:
                self._fail(HTTPStatus.NOT_FOUND, "There is no such page.")

    def _post(self, content: _Content, parts: list[str], _: dict[str, list[str]]) -> None:
        origin = self.headers.get("Origin")
        length = self.headers.get("Content-Length", "")
        if origin is None or urlsplit(origin).netloc != self.headers.get("Host"):
            self.close_connection = True
            self._fail(HTTPStatus.FORBIDDEN, "Only a page of this server may change anything.")
        elif not (length.isascii() and length.isdigit() and int(length) <= _MAX_BODY):
            self.close_connection = True
            self._fail(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large.")
        elif parts != ["selection"]:
            self.close_connection = True
            self._fail(HTTPStatus.NOT_FOUND, "There is no such page.")
        else:
            self._select(content, self.rfile.read(int(length)))

    def _select(self, content: _Content, body: bytes) -> None:
        count = len(content.frame)
        try:
            rows = orjson.loads(body)["rows"]
            valid = rows is None or all(type(row) is int and 0 <= row < count for row in rows)
        except (orjson.JSONDecodeError, KeyError, TypeError):
            valid = False
        if not valid:
            self._fail(HTTPStatus.BAD_REQUEST, "rows must be a list of row numbers, or null.")
            return
        content.selection = None if rows is None else sorted(set(rows))
        self._send(b"{}", "application/json")

    def _send(self, body: bytes, kind: str, *, kept: bool = False, status: int = 200) -> None:
        accepted = "gzip" in self.headers.get("Accept-Encoding", "")
        packed = accepted and len(body) > _COMPRESSED_FROM and kind != "image/jpeg"
        if packed:
            body = gzip.compress(body, 5)
        self._start(status, kind, len(body), kept=kept)
        if packed:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.write(body)

    def _start(self, status: int, kind: str, length: int, *, kept: bool) -> None:
        self.send_response(status)
        for name, value in security_headers(NOTEBOOKS).items():
            if name != "Cache-Control":
                self.send_header(name, value)
        self.send_header("Cache-Control", "private, max-age=3600" if kept else "no-store")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))

    def _fail(self, status: HTTPStatus, detail: str) -> None:
        self._send(orjson.dumps({"detail": detail}), "application/json", status=status)

    def _send_file(self, file: Path | None) -> None:
        """Send a file, or the part of it that a video player requests."""
        if file is None:
            self._fail(HTTPStatus.NOT_FOUND, "The job has no such file.")
            return
        kind = "image/png" if file.suffix == ".png" else "video/mp4"
        with file.open("rb") as source:
            size = os.fstat(source.fileno()).st_size
            part = _part(self.headers.get("Range"), size)
            start, stop = part or (0, size)
            self._start(206 if part else 200, kind, stop - start, kept=False)
            self.send_header("Accept-Ranges", "bytes")
            if part:
                self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{size}")
            self.end_headers()
            source.seek(start)
            if stop == size:
                shutil.copyfileobj(source, self.wfile, 1 << 18)
            else:
                self.wfile.write(source.read(stop - start))


def _part(requested: str | None, size: int) -> tuple[int, int] | None:
    """Start and stop of a requested range; None for the whole file."""
    match = _RANGE.fullmatch(requested or "")
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    start = int(first) if first else max(0, size - int(last))
    stop = min(size, int(last) + 1) if first and last else size
    return (start, stop) if start < stop else None


def _is_row(content: _Content, text: str) -> bool:
    digits = text.isascii() and text.isdigit() and len(text) < 10
    return digits and int(text) < len(content.frame)
