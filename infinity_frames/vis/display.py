"""Videos in notebooks."""

from __future__ import annotations

import base64
import html
import os
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from infinity_frames.errors import MediaError
from infinity_frames.video import VideoWriter, read_frames, video_info

__all__ = ["Player", "display_video"]

_PLAYED = frozenset(("h264", "vp8", "vp9", "libdav1d"))
"""What every browser decodes; MPEG-4 part 2, which OpenCV writes, shows as a blank."""


@dataclass(frozen=True)
class Player:
    """A video inside the page; a notebook's cell shows it when it is its last line."""

    name: str
    width: int
    data: bytes = field(repr=False)

    def _repr_html_(self) -> str:
        data = base64.b64encode(self.data).decode("ascii")
        return (
            f'<video controls loop muted playsinline width="{self.width}" style="max-width: 100%" '
            f'title="{html.escape(self.name)}" src="data:video/mp4;base64,{data}"></video>'
        )


def display_video(path: str | os.PathLike[str], width: int | None = None) -> Player:
    """Show a video in a notebook, inside the page: it stays there when the file is gone.

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
    """
    file = Path(path)
    info = video_info(file)
    if not info.frame_rate:
        raise MediaError(f"The video {file} does not say how fast to play.", file=str(file))
    if info.codec in _PLAYED:
        return Player(file.name, width or info.width, file.read_bytes())
    with TemporaryDirectory() as folder:
        playable = Path(folder, "playable.mp4")
        with VideoWriter(playable, info.width, info.height, info.frame_rate) as video:
            for picture in read_frames(file):
                video.write(picture)
        return Player(file.name, width or info.width, playable.read_bytes())
