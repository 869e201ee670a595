"""Archives: places that keep the finished zip of every job."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from infinity_frames.engine.service.archives.folder import FolderArchives
from infinity_frames.engine.service.ports import Archives
from infinity_frames.io.home import Home
from infinity_frames.protocol.addresses import without_secrets
from infinity_frames.protocol.errors import EngineError

__all__ = ["open_archives"]


def open_archives(home: Home, url: str | None) -> Archives:
    """Open the archives at `url`, or the results folder of the home without one.

    Raises
    ------
    EngineError
        The address is of an unknown kind, or the archives cannot be used.
    """
    if url is None:
        return FolderArchives(home.results)
    parts = urlsplit(url)
    if parts.scheme == "s3" and parts.netloc and without_secrets(url) == url:
        # Imported here, so that only engines that use it need its extra.
        from infinity_frames.engine.service.archives.s3 import S3Archives

        return S3Archives.open(parts.netloc, parts.path.strip("/"))
    if parts.scheme == "file" and not parts.netloc:
        return _shared_folder(Path(unquote(parts.path)))
    raise EngineError(
        "The kind of the archives' address is not supported.",
        advice="Write it as s3://bucket/prefix, without keys, or file:///folder, or leave it out "
        "to use the engine's home.",
    )


def _shared_folder(folder: Path) -> FolderArchives:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise EngineError(
            f"The folder {folder} for archives cannot be used: {error.strerror or error}.",
            advice="Choose another folder with --archives.",
        ) from None
    archives = FolderArchives(folder)
    archives.delete_stale()
    return archives
