"""Videos: what is written comes back, plays everywhere, and is whole or not there."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infinity_frames.io.video import VideoWriter, read_frames, video_info
from infinity_frames.protocol.errors import MediaError
from infinity_frames.vis import display_video

COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (120, 90, 200))


def flat(colour: tuple[int, int, int], width: int = 32, height: int = 16) -> np.ndarray:
    return np.full((height, width, 3), colour, np.uint8)


def write(path: Path, pictures: list[np.ndarray], rate: float = 24) -> Path:
    height, width = pictures[0].shape[:2]
    with VideoWriter(path, width, height, rate) as video:
        for picture in pictures:
            video.write(picture)
    return path


def test_colours_and_order_survive(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", [flat(colour) for colour in COLOURS])
    frames = list(read_frames(path))
    assert len(frames) == len(COLOURS)
    for frame, colour in zip(frames, COLOURS, strict=True):
        assert np.abs(frame.astype(int) - colour).max() <= 3


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70))
def test_odd_sizes_gain_a_copy_of_the_last_column_or_row(width: int, height: int) -> None:
    ramp = np.zeros((height, width, 3), np.uint8)
    ramp[:, :, :] = np.linspace(40, 200, width, dtype=np.uint8)[None, :, None]
    with tempfile.TemporaryDirectory() as folder:
        (frame,) = read_frames(write(Path(folder, "a.mp4"), [ramp]))
    assert frame.shape == (height + height % 2, width + width % 2, 3)
    assert np.abs(frame[:height, :width].astype(int) - ramp).mean() < 4
    if width % 2:
        assert np.abs(frame[:, -1].astype(int) - frame[:, -2]).max() < 8


def test_browsers_can_play_it_before_all_of_it_has_come(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", [flat((9, 9, 9))] * 3, rate=12)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
    data = path.read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")
    info = video_info(path)
    assert (info.width, info.height, info.frame_rate, info.num_frames) == (32, 16, 12, 3)


def test_same_pictures_make_the_same_file(tmp_path: Path) -> None:
    pictures = [flat(colour) for colour in COLOURS]
    first, second = (write(tmp_path / name, pictures) for name in ("a.mp4", "b.mp4"))
    assert first.read_bytes() == second.read_bytes()


def test_an_error_while_writing_leaves_what_was_there(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", [flat((1, 2, 3))])
    before = path.read_bytes()

    def fail_half_way() -> None:
        with VideoWriter(path, 32, 16, 24) as video:
            video.write(flat((5, 5, 5)))
            raise RuntimeError("out of pictures")

    with pytest.raises(RuntimeError, match="out of pictures"):
        fail_half_way()
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.mp4"]


def test_a_picture_may_be_drawn_over_once_it_is_written(tmp_path: Path) -> None:
    page = flat(COLOURS[0])
    with VideoWriter(tmp_path / "a.mp4", 32, 16, 24) as video:
        for colour in COLOURS:
            page[:] = colour
            video.write(page)
    for frame, colour in zip(read_frames(tmp_path / "a.mp4"), COLOURS, strict=True):
        assert np.abs(frame.astype(int) - colour).max() <= 3


FULL = """
import resource, sys
import numpy as np
from infinity_frames.errors import MediaError
from infinity_frames.io.video import VideoWriter
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
noise = np.random.default_rng(0)
try:
    with VideoWriter(sys.argv[1], 256, 256, 24, threads=int(sys.argv[2])) as video:
        for _ in range(200):
            video.write(noise.integers(0, 255, (256, 256, 3), np.uint8))
except MediaError as error:
    print(error.problem)
"""


@pytest.mark.skipif(os.name == "nt", reason="there, files have no limit to set")
@pytest.mark.parametrize("threads", [0, 1])
def test_a_disk_that_fills_up_is_said_and_leaves_nothing(tmp_path: Path, threads: int) -> None:
    # A file that may not grow fails as one on a full disk does.
    command = [sys.executable, "-c", FULL, str(tmp_path / "a.mp4"), str(threads)]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    assert re.search(r"a.mp4 cannot be written: .*large", said.stdout)
    assert not said.stderr
    assert not list(tmp_path.iterdir())


def test_a_video_without_frames_is_an_error_and_no_file(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="No frame"), VideoWriter(tmp_path / "a.mp4", 32, 16, 24):
        pass
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "picture", [flat((1, 1, 1), 30), flat((1, 1, 1)).astype(float), flat((1, 1, 1))[..., 0]]
)
def test_a_picture_of_the_wrong_kind_is_refused(tmp_path: Path, picture: np.ndarray) -> None:
    with (
        pytest.raises(MediaError, match="takes uint8 of shape"),
        VideoWriter(tmp_path / "a.mp4", 32, 16, 24) as video,
    ):
        video.write(picture)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("size", [(0, 16, 24), (32, -1, 24), (32, 16, 0), (32, 16, float("nan"))])
def test_impossible_videos_are_refused(tmp_path: Path, size: tuple[int, int, float]) -> None:
    with pytest.raises(MediaError, match="cannot be"):
        VideoWriter(tmp_path / "a.mp4", *size)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"no folder .*nowhere"):
        VideoWriter(tmp_path / "nowhere" / "a.mp4", 32, 16, 24)


def test_what_is_no_video_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video at all")
    with pytest.raises(MediaError, match="cannot be read"):
        next(read_frames(tmp_path / "a.mp4"))
    with pytest.raises(MediaError, match="There is no video"):
        next(read_frames(tmp_path / "b.mp4"))


def test_a_cut_video_is_told_from_a_short_one(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (24, 48, 64, 3), dtype=np.uint8)
    path = write(tmp_path / "a.mp4", list(noise))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(MediaError):
        list(read_frames(path))


def test_notebooks_show_the_video_itself(tmp_path: Path) -> None:
    page = display_video(write(tmp_path / "a<b.mp4", [flat((1, 2, 3))]))._repr_html_()
    assert 'width="32"' in page
    assert "a&lt;b.mp4" in page
    assert "data:video/mp4;base64," in page


def test_notebooks_show_what_browsers_cannot_play(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "old.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=24)
        stream.width, stream.height, stream.pix_fmt = 32, 16, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(flat((9, 9, 9)), format="rgb24")))
        container.mux(stream.encode(None))
    player = display_video(tmp_path / "old.mp4")
    (tmp_path / "played.mp4").write_bytes(player.data)
    assert video_info(tmp_path / "played.mp4").codec == "h264"


@pytest.mark.parametrize(
    ("name", "kind"), [("a.avi", "mp4"), ("a.ts", "mp4"), ("a.mkv", "mp4"), ("a.webm", "webm")]
)
def test_notebooks_show_what_browsers_cannot_open(tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / name
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx-vp9" if kind == "webm" else "libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 32, 16, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(flat((9, 9, 9)), format="rgb24")))
        container.mux(stream.encode(None))
    player = display_video(path)
    assert f'src="data:video/{kind};base64' in player._repr_html_()
    (tmp_path / "played").write_bytes(player.data)
    assert kind in video_info(tmp_path / "played").container


def test_without_h264_videos_are_vp9_and_say_so(tmp_path: Path, monkeypatch: Any) -> None:
    """As on a PyAV that was built without x264: its encoder is not among those that are there."""
    monkeypatch.setattr(av, "codecs_available", av.codecs_available - {"libx264"})
    with pytest.warns(UserWarning, match="cannot write H.264, so videos are VP9"):
        path = write(tmp_path / "a.mp4", [flat(colour) for colour in COLOURS])
    assert video_info(path).codec == "vp9"
    frames = list(read_frames(path))
    assert len(frames) == len(COLOURS)
    assert np.abs(frames[0].astype(int) - COLOURS[0]).max() < 12
    assert display_video(path).data == path.read_bytes()


def test_without_any_encoder_there_is_an_error(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(av, "codecs_available", set())
    with pytest.raises(MediaError, match="none of the encoders libx264, libvpx-vp9"):
        write(tmp_path / "a.mp4", [flat((1, 2, 3))])
    assert os.listdir(tmp_path) == []


def test_code_hosts_that_take_videos_out_leave_a_picture(tmp_path: Path) -> None:
    pictures = [flat(colour) for colour in COLOURS[:3]]
    page = display_video(write(tmp_path / "a.mp4", pictures))._repr_html_()
    poster = re.search(r'<img alt="a.mp4, .*" src="data:image/jpeg;base64,([^"]+)"', page)
    assert poster is not None
    data = np.frombuffer(base64.b64decode(poster[1]), np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)
    assert picture is not None
    assert np.abs(picture.astype(int) - COLOURS[1]).max() < 12
