"""Videos in notebooks."""

from __future__ import annotations

import base64
import html
import os
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from infinity_frames.io.video import VideoWriter, read_frames, video_info
from infinity_frames.protocol.errors import MediaError
from infinity_frames.vis.images import encoded

__all__ = ["Player", "display_video"]

_PLAYED = {
    "mp4": frozenset(("h264", "vp9", "libdav1d")),
    "webm": frozenset(("vp8", "vp9", "libdav1d")),
}
"""Codecs that every browser plays, by container. MPEG-4 part 2, OpenCV's default, is not one."""


@dataclass(frozen=True)
class Player:
    """A video embedded in the page; a notebook shows it when it is the cell's last expression."""

    name: str
    width: int
    data: bytes = field(repr=False)
    poster: bytes = field(repr=False)
    container: str = "mp4"

    def _repr_html_(self) -> str:
        name = html.escape(self.name)
        # Code hosts remove the video element and keep its content.
        return (
            f'<video controls loop muted playsinline width="{self.width}" style="max-width: 100%" '
            f'title="{name}" src="data:video/{self.container};base64,{_base64(self.data)}">'
            f'<img alt="{name}, the frame in the middle" width="{self.width}" '
            f'src="data:image/jpeg;base64,{_base64(self.poster)}"></video>'
        )


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def display_video(path: str | os.PathLike[str], width: int | None = None) -> Player:
    """Embed a video in a notebook; it stays there when the file is deleted.

    Parameters
    ----------
    path : path
        A video; one that browsers do not play is shown as H.264.
    width : int, optional
        Pixels on the page; by default the video's own, or as much as fits.

    Returns
    -------
    Player
        What a cell shows when it is its last line. It needs no IPython to be made.

    Raises
    ------
    MediaError
        The file is no video.

    Examples
    --------
    >>> inf.vis.display_video(f"{results['path'][0]}/video.mp4", width=320)
    """
    file = Path(path)
    info = video_info(file)
    if not info.frame_rate:
        raise MediaError(f"The video {file} states no frame rate.", file=str(file))
    shown = width or info.width
    for container in _PLAYED.keys() & info.container.split(","):
        if info.codec in _PLAYED[container]:
            poster = _middle(file, info.num_frames)
            return Player(file.name, shown, file.read_bytes(), poster, container)
    with TemporaryDirectory() as folder:
        playable = Path(folder, "playable.mp4")
        with VideoWriter(playable, info.width, info.height, info.frame_rate) as video:
            for picture in read_frames(file):
                video.write(picture)
        poster = _middle(playable, video.num_frames)
        return Player(file.name, shown, playable.read_bytes(), poster)


def _middle(file: Path, frames: int) -> bytes:
    """Return the middle frame as JPEG."""
    picture = next(islice(read_frames(file), frames // 2, None))
    return encoded(picture, ".jpg")
