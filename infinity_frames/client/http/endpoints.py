"""The REST client: a method per endpoint, with time limits and retries.

Servers announce what they have beyond the base protocol in ``Infinity-Extensions``; this client
works without any of it.
"""

from __future__ import annotations

import math
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn
from urllib.parse import quote, urljoin

import requests
from urllib3.connection import HTTPConnection

from infinity_frames.client.http import responses
from infinity_frames.client.http.fork import renew_after_fork
from infinity_frames.client.http.retry import Limits, RetryPolicy
from infinity_frames.client.http.transport import (
    SETTINGS_ERRORS,
    Body,
    Http,
    Token,
    never_sent,
    pieces,
    retry_after,
    server_address,
)
from infinity_frames.protocol.errors import (
    EngineError,
    InfinityError,
    NotFound,
    RequestRejected,
    RequestTimeout,
    ServerFault,
    ServerUnreachable,
    SessionNotCopied,
    SubmissionUnknown,
    UnknownBatch,
    UnknownGenerator,
    UnknownJob,
)

__all__ = ["RestClient"]

# Extensions of responses that this client reads: parameters that may have no value at all, and
# entries for installed generators that cannot be used.
_KNOWN_EXTENSIONS = "parameters, broken"


@dataclass(frozen=True)
class _Request:
    method: str
    path: str
    params: Mapping[str, str] | None
    headers: Mapping[str, str]
    data: bytes | None
    resend: bool
    missing: type[NotFound]


@dataclass(frozen=True)
class _Failure:
    """A failed attempt: its error, attempts allowed, and whether the server may have acted."""

    error: InfinityError
    attempts: float
    wait: float | None = None
    in_doubt: bool = False


class RestClient:
    """One server and one account on it; safe to use from several threads.

    Parameters
    ----------
    url : str
        Address of the server.
    token : str, Token or None
        Sent to that server only, never to a result URL or another host.
    limits : Limits, optional
        Time limits.
    retry : RetryPolicy, optional
        When a request is sent again.
    locate : callable, optional
        Returns the server's present address; called when nothing answers at the old one.
    check : callable, optional
        Called with every new connection before anything is sent; raises if the server is not the
        right one.
    """

    def __init__(
        self,
        url: str,
        token: str | Token | None,
        *,
        limits: Limits | None = None,
        retry: RetryPolicy | None = None,
        locate: Callable[[], str] | None = None,
        check: Callable[[HTTPConnection], None] | None = None,
    ) -> None:
        self.url = server_address(url)
        self.limits = limits or Limits()
        self.retry = retry or RetryPolicy()
        self.extensions: frozenset[str] | None = None
        self._auth = Token.of(token)
        token = self._auth
        token.check()
        self._locate = locate
        self._http = Http(check)
        self.renew()
        renew_after_fork(self)

    def __repr__(self) -> str:
        return f"RestClient({vars(self).get('url')!r})"

    def __reduce__(self) -> NoReturn:
        raise SessionNotCopied(
            "A session is not copied or sent to another process, since it holds a token.",
            advice="Open a Session there.",
        )

    def renew(self) -> None:
        """Start with a free lock; one that was held during a fork is never released."""
        self._locating = threading.Lock()

    def close(self) -> None:
        """Close the idle connections; a later request opens a new one."""
        self._http.close()

    def has(self, extension: str) -> bool:
        """Return whether the server announces something beyond the base protocol."""
        if self.extensions is None:
            self.generators()
        return extension in (self.extensions or ())

    def same_account(self, other: RestClient) -> bool:
        """Return whether both speak for the same account."""
        return self._auth == other._auth

    # Endpoints, in the order of the protocol

    def generators(self) -> list[dict[str, Any]]:
        """``GET /api/jobs/``: the usable generators, each at least ``name`` and ``version``."""
        return [item for item in self._listed() if "error" not in item]

    def broken_generators(self) -> dict[str, str]:
        """Return the reasons why installed generators cannot be used, where the server says so."""
        broken = [item for item in self._listed() if "error" in item]
        return {str(item.get("name")): str(item["error"]) for item in broken}

    def _listed(self) -> list[dict[str, Any]]:
        return responses.objects(self._call("GET", "/api/jobs/"))

    def generator(self, name: str) -> dict[str, Any]:
        """``GET /api/jobs/{name}/``: a generator's description."""
        path = f"/api/jobs/{_segment(name)}/"
        return responses.json_object(self._call("GET", path, missing=UnknownGenerator))

    def create_batch(self, name: str, job_runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """``POST /api/batch/``: submit jobs; retries never create a second batch.

        Raises
        ------
        SubmissionUnknown
            The connection broke, and it is unknown whether the server received the batch.
        """
        resend = self.has("idempotency")
        batch = self._call(
            "POST",
            "/api/batch/",
            body={"name": name, "job_runs": job_runs},
            key=str(uuid.uuid4()),
            resend=resend,
        )
        try:
            return responses.batch(batch)
        except ServerFault as fault:
            raise self._final(fault, creates=True, in_doubt=True) from None

    def estimate(self, name: str, job_runs: Sequence[Mapping[str, Any]]) -> list[int]:
        """``POST /api/batch/estimate/``: samples per job, in order."""
        body = {"name": name, "job_runs": job_runs}
        counts = self._call("POST", "/api/batch/estimate/", body=body)
        return responses.integers(counts, len(job_runs))

    def batches(self, start: datetime, end: datetime) -> list[dict[str, Any]]:
        """``GET /api/batch/``: the batches of a window of time, oldest first."""
        return responses.objects(self._call("GET", "/api/batch/", params=_window(start, end)))

    def batch(self, batch_id: str) -> dict[str, Any]:
        """``GET /api/batch/{id}/``: the batch with its jobs' parameters."""
        path = f"/api/batch/{_segment(batch_id)}/"
        return responses.batch(self._call("GET", path, missing=UnknownBatch))

    def batch_summary(
        self, batch_id: str, *, since: int | None = None, within: float | None = None
    ) -> dict[str, Any]:
        """``GET /api/batch/{id}/summary/``: the batch without parameters, small enough to poll.

        Parameters
        ----------
        since : int, optional
            The ``revision`` of an earlier response, 0 at first. A server with this extension sends
            only later changes, in columns; others send the whole batch.
        within : float, optional
            Time limit in seconds.
        """
        path = f"/api/batch/{_segment(batch_id)}/summary/"
        return self._progress("GET", path, since, within)

    def num_unfinished(self, batch_id: str) -> int:
        """Count the batch's unfinished jobs, from the summary."""
        path = f"/api/batch/{_segment(batch_id)}/summary/"
        changes = self.has("since")
        params = {"since": "0"} if changes else None
        found = self._call("GET", path, params=params, missing=UnknownBatch)
        return responses.num_unfinished(found, columns=changes)

    def cancel_batch(self, batch_id: str) -> dict[str, Any]:
        """``POST /api/batch/{id}/cancel/`` (+): stop unfinished jobs; return the jobs' state."""
        return self._progress("POST", f"/api/batch/{_segment(batch_id)}/cancel/", since=0)

    def job(self, job_id: str, *, is_preview: bool) -> dict[str, Any]:
        """``GET /api/job_runs/{id}/`` or ``/api/job_previews/{id}/``: a job with its parameters."""
        kind = "job_previews" if is_preview else "job_runs"
        return responses.job(
            self._call("GET", f"/api/{kind}/{_segment(job_id)}/", missing=UnknownJob)
        )

    def traceback(self, job_id: str, *, is_preview: bool) -> str | None:
        """``GET /api/job_runs/{id}/traceback/`` (+): traceback of a failed job, if there is one."""
        kind = "job_previews" if is_preview else "job_runs"
        path = f"/api/{kind}/{_segment(job_id)}/traceback/"
        text = responses.json_object(self._call("GET", path, missing=UnknownJob)).get("traceback")
        return None if text is None else str(text)

    def counts(self, start: datetime, end: datetime) -> dict[str, dict[str, int | None]]:
        """``GET /api/job_runs/counts/``: samples and jobs per generator in a window of time."""
        path = "/api/job_runs/counts/"
        return responses.counts(self._call("GET", path, params=_window(start, end)))

    def account(self) -> dict[str, Any]:
        """``GET /api/account/`` (+): the samples that the account has left."""
        return responses.json_object(self._call("GET", "/api/account/"))

    def sign_in_path(self) -> str:
        """``POST /api/sessions/`` (+): path and query that sign a browser in, once.

        Raises
        ------
        RequestRejected
            The server has no pages for browsers.
        """
        if not self.has("pages"):
            raise RequestRejected(
                f"The server {self.url} has no pages for browsers.",
                advice="An engine of this package has; `infinity-frames serve` starts one.",
            )
        found = responses.json_object(self._call("POST", "/api/sessions/"))
        return str(found.get("path"))

    def result(self, url: str, headers: Mapping[str, str]) -> requests.Response:
        """``GET <result_url>``: the open response, not read yet; no token is sent.

        Raises
        ------
        requests.RequestException
            There was no response; the caller resumes.
        """
        return self._http.get(
            urljoin(self.url + "/", url),
            headers={**headers, "Accept-Encoding": "identity"},
            auth=Token(None),
            timeout=(self.limits.connect, self.limits.read),
            stream=True,
        )

    def relocate(self) -> None:
        """Look up the server's present address, if it can change (the embedded engine)."""
        if self._locate is not None:
            with self._locating:
                try:
                    self.url = server_address(self._locate())
                except EngineError as error:
                    raise error from None  # the earlier connection error adds nothing

    # How a call is made

    def _progress(
        self, method: str, path: str, since: int | None, within: float | None = None
    ) -> dict[str, Any]:
        """Fetch the state of a batch's jobs, only what changed if the server supports that."""
        changes = since is not None and self.has("since")
        params = {"since": str(since)} if changes else None
        found = self._call(method, path, params=params, missing=UnknownBatch, within=within)
        return responses.progress(found) if changes else responses.batch(found)

    def _call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        key: str | None = None,
        resend: bool = True,
        missing: type[NotFound] = NotFound,
        within: float | None = None,
    ) -> Any:
        """Send a request until it is answered, time is over, or a repeat could create twice.

        `key` marks a call that creates something; `resend` means that repeating it is harmless.
        """
        headers = {"Accept": "application/json", "Infinity-Extensions": _KNOWN_EXTENSIONS}
        if key:
            headers["Idempotency-Key"] = key
        data = None if body is None else responses.to_json(body)
        if data is not None:
            headers["Content-Type"] = "application/json"
        request = _Request(method, path, params, headers, data, resend, missing)
        allowed = self.limits.total if within is None else min(within, self.limits.total)
        deadline = time.monotonic() + allowed
        failures, in_doubt = 0, False
        while True:
            answer = self._attempt(request, deadline)
            if not isinstance(answer, _Failure):
                return answer
            in_doubt |= answer.in_doubt
            failures += 1
            pause = self.retry.backoff.pause(failures, answer.wait)
            if failures >= answer.attempts or time.monotonic() + pause >= deadline:
                raise self._final(answer.error, creates=key is not None, in_doubt=in_doubt)
            time.sleep(pause)

    def _attempt(self, request: _Request, deadline: float) -> Any:
        """Return the server's response, or a `_Failure` that limits further attempts."""
        try:
            status, wait, content = self._exchange(request, deadline)
        except requests.RequestException as error:
            unsent = never_sent(error)
            if unsent:
                self.relocate()
            attempts = self.retry.attempts if request.resend else 1
            if unsent:
                attempts = self.retry.attempts_to_connect(known=self.extensions is not None)
            if isinstance(error, SETTINGS_ERRORS):
                attempts = 1
            return _Failure(
                self._no_answer(error, request.method, request.path),
                attempts=attempts,
                in_doubt=not unsent,
            )
        if 200 <= status < 300:
            return responses.parse(content, method=request.method, path=request.path)
        refusal = responses.error(
            status,
            content,
            method=request.method,
            path=request.path,
            missing=request.missing,
        )
        if status == 429 or (status == 503 and wait is not None):
            # The server states that it has done nothing yet.
            return _Failure(refusal, attempts=math.inf, wait=wait)
        passing = request.resend and status in self.retry.retryable
        attempts = self.retry.attempts if passing else 1
        return _Failure(refusal, attempts=attempts, in_doubt=status >= 500)

    def _exchange(self, request: _Request, deadline: float) -> tuple[int, float | None, bytes]:
        """Make one request; return status, seconds that the server asks to wait, and body."""
        left = max(deadline - time.monotonic(), 0.05)
        with self._http.request(
            request.method,
            self.url + request.path,
            params=request.params,
            headers=request.headers,
            data=None if request.data is None else Body(request.data, deadline),
            auth=self._auth,
            timeout=(min(self.limits.connect, left), min(self.limits.read, left)),
            stream=True,
        ) as response:
            body = []
            for piece in pieces(response):
                body.append(piece)
                if time.monotonic() > deadline:
                    raise requests.ReadTimeout("the response came too slowly")
            announced = response.headers.get("Infinity-Extensions", "")
            if announced or response.ok:
                names = (name.strip() for name in announced.split(","))
                self.extensions = frozenset(filter(None, names))
            content = self._auth.hide_in(b"".join(body))
            return response.status_code, retry_after(response), content

    def _no_answer(
        self, error: requests.RequestException, method: str, path: str
    ) -> ServerUnreachable | RequestTimeout | ServerFault:
        where = {"method": method, "url": self.url + path}
        if isinstance(error, (*SETTINGS_ERRORS, requests.exceptions.ProxyError)):
            return ServerUnreachable(
                f"{self.url} cannot be reached with the proxy or the certificates that the "
                f"environment names ({type(error).__name__}).",
                advice="Check HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY and "
                "REQUESTS_CA_BUNDLE; their values may hold secrets and are not shown.",
                **where,
            )
        if isinstance(error, requests.exceptions.SSLError):
            return ServerUnreachable(
                f"No trusted connection to {self.url} could be made.",
                advice="Check the address, and that this machine trusts the server's certificate.",
                **where,
            )
        if isinstance(error, requests.Timeout):
            return RequestTimeout(
                f"{self.url} did not answer {method} {path} in time.",
                advice="Try again; if the error persists, the server or network is overloaded.",
                **where,
            )
        if isinstance(error, requests.ConnectionError):
            return ServerUnreachable(
                f"No answer to {method} {path} from {self.url}: the connection "
                f"{'could not be made' if never_sent(error) else 'broke'}.",
                advice="Check the address, and that the server is running.",
                **where,
            )
        return ServerFault(
            f"The response of {self.url} to {method} {path} could not be read "
            f"({type(error).__name__}).",
            advice="Check that the address is that of an Infinity API server.",
            **where,
        )

    def _final(self, failure: InfinityError, *, creates: bool, in_doubt: bool) -> InfinityError:
        silent = isinstance(failure, ServerUnreachable | RequestTimeout | ServerFault)
        if not (creates and in_doubt and silent):
            return failure
        return SubmissionUnknown(
            f"The batch was sent, but it is unknown whether {self.url} received it: "
            f"{failure.problem}",
            advice="Look for its name in session.get_batches_last_n_days(1), and submit again only "
            "if it is missing; reuse=True does both.",
            **failure.where,
        )


def _segment(text: str) -> str:
    return quote(str(text), safe="")


def _window(start: datetime, end: datetime) -> dict[str, str]:
    return {"start_time": start.isoformat(), "end_time": end.isoformat()}
