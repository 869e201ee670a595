"""Reading and writing video files: H.264 that browsers and notebooks play, one frame at a time.

PyAV's wheel brings its own encoder; OpenCV's can only write codecs that no browser plays. Where
PyAV was built without x264, videos are VP9: browsers play it too. Frames are read strictly in
sequence, because seeking by frame number lands on wrong frames.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast
from uuid import uuid4

import av
import numpy as np
from av.container import InputContainer
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from infinity_frames.io.pictures import MAX_PIXELS
from infinity_frames.protocol.errors import MediaError
from infinity_frames.protocol.warnings import warn_user

__all__ = ["Picture", "VideoInfo", "VideoWriter", "count_frames", "read_frames", "video_info"]

Picture = NDArray[np.uint8]
"""An RGB picture: (height, width, 3), uint8."""

ENCODERS: dict[str, dict[str, str]] = {
    # As small as "veryfast", and a fifth faster: what makes "superfast" files large is put back.
    "libx264": {"preset": "superfast", "x264-params": "mbtree=1:rc-lookahead=10"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "6", "row-mt": "1", "b": "0"},
}
"""Encoders by preference, with their options: the first that is there is used."""

_AHEAD = 4  # frames that wait for the encoder at most

_BT709 = 1  # the code of ITU-R BT.709 for matrix, primaries and transfer alike (ISO/IEC 23091-2)


@dataclass(frozen=True)
class VideoInfo:
    """Properties from a video file's header: pixels, Hz, number of frames (0 if unknown), codec.

    `container` has the format's names, as FFmpeg lists them: ``"matroska,webm"``.
    """

    width: int
    height: int
    frame_rate: float
    num_frames: int
    codec: str
    container: str


class VideoWriter:
    """Writes a video, a frame at a time; the file appears only when it is whole.

    It is H.264, or VP9 (with a warning) where this machine's PyAV has no encoder for that.

    Use it as a context manager: an error inside leaves no file, and whatever stood at `path` before
    stays. Odd widths and heights are padded with a copy of the last column or row: H.264 with
    4:2:0 color, the kind that every player knows, has only even ones.

    Parameters
    ----------
    path : path
        Where the video goes; its folder must exist.
    width, height : int
        Size of the pictures that will be written, in pixels.
    frame_rate : float
        Frames per second.
    crf : int
        x264's constant rate factor: 0 lossless, 18 visually so, 23 small. VP9 takes ten more,
        which looks the same.
    threads : int
        Encoder threads; 0 lets the encoder choose. Unless it is 1, frames are encoded while
        the caller makes the next ones.

    Raises
    ------
    MediaError
        The size or rate is not positive, or the file cannot be written.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        width: int,
        height: int,
        frame_rate: float,
        *,
        crf: int = 18,
        threads: int = 0,
    ) -> None:
        self.path = Path(path)
        if width < 1 or height < 1 or not 0 < frame_rate < float("inf"):
            raise MediaError(
                f"A video cannot be {width} x {height} pixels at {frame_rate} frames per second.",
                file=str(self.path),
            )
        if not self.path.parent.is_dir():
            raise MediaError(
                f"There is no folder {self.path.parent} to write {self.path.name} into.",
                file=str(self.path),
            )
        self.width, self.height = int(width), int(height)
        self.num_frames = 0
        self._to_yuv = VideoReformatter()  # keeps its tables from frame to frame
        self._aside = None if threads == 1 else ThreadPoolExecutor(1)
        self._waiting: deque[Future[None]] = deque()
        self._part = self.path.with_name(f".{self.path.stem}.{uuid4().hex}.part")
        try:
            self._open(Fraction(frame_rate).limit_denominator(100_000), crf, threads)
        except BaseException:
            self._part.unlink(missing_ok=True)
            raise

    def write(self, picture: Picture) -> None:
        """Append one RGB picture, uint8 of shape (height, width, 3).

        Raises
        ------
        MediaError
            The picture has another size or type than the video.
        """
        if picture.shape != (self.height, self.width, 3) or picture.dtype != np.uint8:
            raise MediaError(
                f"Frame {self.num_frames} is {picture.dtype} of shape {picture.shape}, and the "
                f"video {self.path.name} takes uint8 of shape {(self.height, self.width, 3)}.",
                file=str(self.path),
            )
        if self.height % 2 or self.width % 2:
            picture = np.pad(picture, ((0, self.height % 2), (0, self.width % 2), (0, 0)), "edge")
        with _explained("written", self.path):
            frame = av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(picture), "rgb24")
            coded = self._to_yuv.reformat(
                frame,
                format="yuv420p",
                dst_colorspace=Colorspace.ITU709,
                dst_color_range=ColorRange.MPEG,
            )
            coded.pts = self.num_frames
            if self._aside is None:
                self._encode(coded)
            else:
                self._waiting.append(self._aside.submit(self._encode, coded))
                self._wait_for_all_but(_AHEAD)
        self.num_frames += 1

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._stop_encoding()
            with suppress(av.error.FFmpegError):  # an error that brought us here matters more
                self._container.close()
            self._part.unlink(missing_ok=True)

    def _encode(self, frame: av.VideoFrame | None) -> None:
        self._container.mux(self._stream.encode(frame))

    def _wait_for_all_but(self, count: int) -> None:
        while len(self._waiting) > count:
            self._waiting.popleft().result()

    def _stop_encoding(self) -> None:
        if self._aside is not None:
            self._aside.shutdown(cancel_futures=True)

    def _open(self, frame_rate: Fraction, crf: int, threads: int) -> None:
        with _explained("written", self.path):
            # "bitexact" leaves the library's version and the date out: same frames, same file.
            self._container = av.open(
                str(self._part),
                "w",
                format="mp4",
                options={"movflags": "+faststart", "fflags": "+bitexact"},
            )
            encoder = _encoder()
            constant = {"crf": str(crf if encoder == "libx264" else crf + 10)}
            stream = self._container.add_stream(
                encoder, rate=frame_rate, options=ENCODERS[encoder] | constant
            )
            assert isinstance(stream, VideoStream)
            self._stream = stream
            self._stream.width = self.width + self.width % 2
            self._stream.height = self.height + self.height % 2
            self._stream.pix_fmt = "yuv420p"
            context = self._stream.codec_context
            context.thread_count = threads
            context.time_base = 1 / frame_rate
            # Without these marks players guess the colors from the size, and guess differently.
            context.colorspace = context.color_primaries = context.color_trc = _BT709
            context.color_range = ColorRange.MPEG

    def _finish(self) -> None:
        with _explained("written", self.path):
            self._wait_for_all_but(0)
            if self.num_frames:
                self._encode(None)
            self._container.close()
        if not self.num_frames:
            raise MediaError(
                f"No frame was written to {self.path.name}, so there is no video.",
                file=str(self.path),
            )
        with _explained("written", self.path):
            os.replace(self._part, self.path)


def _encoder() -> str:
    """Return the best available encoder; warn if it is not H.264."""
    found = next((name for name in ENCODERS if name in av.codecs_available), None)
    if found is None:
        raise ValueError(f"PyAV has none of the encoders {', '.join(ENCODERS)}")
    if found != "libx264":
        warn_user(
            "This machine's PyAV cannot write H.264, so videos are VP9: browsers play them, some "
            "other players do not. PyAV's own wheel (pip install av) writes H.264."
        )
    return found


def read_frames(path: str | os.PathLike[str]) -> Iterator[Picture]:
    """Yield a video's frames in order, each RGB uint8 of shape (height, width, 3).

    Memory does not grow with the length of the video.

    Raises
    ------
    MediaError
        The file is missing, is no video, or is cut or damaged (after the frames before the damage).
    """
    with _opened(path) as (container, stream), _explained("read", path):
        stream.thread_type = "AUTO"
        # Memory is that of the frames, whatever size a header claims.
        stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
        to_rgb = VideoReformatter()
        packets = 0
        for packet in container.demux(stream):
            packets += packet.size > 0
            for frame in packet.decode():
                yield cast(Picture, to_rgb.reformat(frame, format="rgb24").to_ndarray())
        if packets < stream.frames:
            raise MediaError(
                f"The video {path} is cut: it holds {packets} of its {stream.frames} frames.",
                advice="Download or render it again.",
                file=str(path),
            )


def video_info(path: str | os.PathLike[str]) -> VideoInfo:
    """Size, frame rate and number of frames of a video, without decoding it.

    Raises
    ------
    MediaError
        The file is missing or is no video.
    """
    with _opened(path) as (container, stream):
        rate = stream.average_rate or stream.guessed_rate or 0
        codec = stream.codec_context.name
        return VideoInfo(
            stream.width, stream.height, float(rate), stream.frames, codec, container.format.name
        )


def count_frames(path: str | os.PathLike[str]) -> int:
    """Return frames that a video file really holds, whatever its header says; nothing is decoded.

    Raises
    ------
    MediaError
        The file is missing or is no video.
    """
    with _opened(path) as (container, stream), _explained("read", path):
        return sum(packet.size > 0 for packet in container.demux(stream))


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[tuple[InputContainer, VideoStream]]:
    if not Path(path).is_file():
        raise MediaError(f"There is no video at {path}.", file=str(path))
    with _explained("read", path):
        container = av.open(os.fspath(path))
    with container:
        if not container.streams.video:
            raise MediaError(f"The file {path} holds no video.", file=str(path))
        stream = container.streams.video[0]
        if stream.width * stream.height > MAX_PIXELS:
            raise MediaError(
                f"The video {path} claims {stream.width} x {stream.height} pixels, and at most "
                f"{MAX_PIXELS} pixels are read.",
                file=str(path),
            )
        yield container, container.streams.video[0]


@contextmanager
def _explained(verb: str, path: str | os.PathLike[str]) -> Iterator[None]:
    """Convert errors of the codec library and the file system into a MediaError."""
    try:
        yield
    except (av.error.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise MediaError(
            f"The video {os.fspath(path)} cannot be {verb}: {reason}.", file=os.fspath(path)
        ) from error
