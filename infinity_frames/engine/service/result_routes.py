"""The endpoint that serves result archives; the signed URL grants access."""

from __future__ import annotations

import re

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, RedirectResponse, StreamingResponse

from infinity_frames.engine.service import openapi
from infinity_frames.engine.service.dependencies import Engine
from infinity_frames.engine.service.ports import Archives
from infinity_frames.protocol.errors import NotFound, RequestRejected

__all__ = ["router"]

_BYTE_RANGE = re.compile(r"bytes=\s*([0-9]*)\s*-\s*([0-9]*)\s*")
_NO_RANGE = (None, None)
# Lifetime of a presigned URL; a download that takes longer asks for the next part with a new one.
_PRESIGNED_S = 3600.0
router = APIRouter(prefix="/api", responses=openapi.REFUSALS)


@router.head("/results/{archive}/", include_in_schema=False)
@router.get("/results/{archive}/", response_class=FileResponse, tags=["results"])
def get_result(archive: str, service: Engine, request: Request) -> Response:
    """Download a job's archive with its signed URL; supports Range, If-Range and ETag."""
    job_id = archive.removesuffix(".zip")
    query = request.query_params
    service.signer.check(job_id, query.get("expires", ""), query.get("signature", ""))
    etag = f'"{service.archive_sha256(job_id)}"'
    stored = service.archives.find(job_id)
    if stored is None:
        raise NotFound(
            "The archive of this job was deleted from the engine's home.",
            advice="Submit the job again with `state` set to its id: it renders the same again.",
        )
    if stored.file is None:
        return _remote(request, service.archives, job_id, stored.size)
    _check_range(request, etag, stored.size)
    return FileResponse(stored.file, media_type="application/zip", headers={"etag": etag})


def _remote(request: Request, archives: Archives, job_id: str, size: int) -> Response:
    """Redirect to the object store, which supports Range itself; answer HEAD here."""
    if request.method == "HEAD":
        headers = {"Content-Length": str(size), "Accept-Ranges": "bytes"}
        return Response(None, media_type="application/zip", headers=headers)
    url = archives.url(job_id, _PRESIGNED_S)
    if url is None:
        content = archives.read(job_id, 0, size)
        headers = {"Content-Length": str(size)}
        return StreamingResponse(content, media_type="application/zip", headers=headers)
    return RedirectResponse(url, 307, {"Cache-Control": "no-store"})


def _check_range(request: Request, etag: str, size: int) -> None:
    """Reject a range beyond the end; ignore one that is malformed, as RFC 9110 requires."""
    requested = request.headers.get("range")
    if requested is None or request.headers.get("if-range", etag) != etag:
        return
    match = _BYTE_RANGE.fullmatch(requested)
    # Eighteen digits exceed every size; reading more would only cost time.
    first, last = (
        (int(text[:18]) if text else None for text in match.groups()) if match else _NO_RANGE
    )
    backwards = first is not None and last is not None and last < first
    if (first, last) == _NO_RANGE or backwards:
        kept = [pair for pair in request.scope["headers"] if pair[0] != b"range"]
        request.scope["headers"] = kept
    elif (first is None and last == 0) or (first is not None and first >= size):
        raise RequestRejected(
            f"The requested range lies beyond the {size} bytes of the archive.",
            status=416,
            headers={"Content-Range": f"bytes */{size}"},
        )
