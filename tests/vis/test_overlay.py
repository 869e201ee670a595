"""Annotators: what is drawn lies exactly where the label says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import vis_factory as factory
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from infinity_frames.protocol.errors import FrameError, MediaError
from infinity_frames.vis import (
    Annotator,
    BoxAnnotator,
    CuboidAnnotator,
    FrameLabels,
    KeypointAnnotator,
    Labels,
    MaskAnnotator,
    RepCountAnnotator,
    SkeletonAnnotator,
    TextAnnotator,
    decode_rle,
)

WIDTH, HEIGHT = 40, 30
GREY = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
OF_LABELS: list[Annotator] = [
    BoxAnnotator(),
    MaskAnnotator(),
    SkeletonAnnotator(),
    SkeletonAnnotator("coco"),
    KeypointAnnotator(),
    KeypointAnnotator("armature"),
    KeypointAnnotator("vertex"),
    CuboidAnnotator(),
    RepCountAnnotator(),
]


def write(path: Path, *annotations: dict[str, Any], **image: Any) -> Labels:
    content = {
        "categories": [{"id": 0, "name": "thing"}],
        "images": [{"id": 7, "width": WIDTH, "height": HEIGHT, "frame_number": 0} | image],
        "annotations": [
            {"id": n, "image_id": 7, "category_id": 0} | item for n, item in enumerate(annotations)
        ],
    }
    path.write_text(json.dumps(content))
    return Labels(path)


@pytest.fixture(scope="module")
def frame(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("labels") / "labels.json"

    def make(*annotations: dict[str, Any], **image: Any) -> FrameLabels:
        return write(path, *annotations, **image).frame(0)

    return make


def changed(picture: np.ndarray) -> np.ndarray:
    return (picture != GREY).any(axis=2)


@settings(max_examples=60, deadline=None)
@given(st.integers(-10, WIDTH), st.integers(-10, HEIGHT), st.integers(1, 50), st.integers(1, 50))
def test_a_box_is_its_first_and_last_pixels(frame: Any, x: int, y: int, w: int, h: int) -> None:
    labels = frame({"bbox": [x, y, w, h]})
    drawn = changed(BoxAnnotator(1, names=False).annotate(GREY, labels))
    columns, rows = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    inside = (columns >= x) & (columns < x + w) & (rows >= y) & (rows < y + h)
    core = (columns > x) & (columns < x + w - 1) & (rows > y) & (rows < y + h - 1)
    np.testing.assert_array_equal(drawn, inside & ~core)


def test_a_box_with_fractions_covers_every_pixel_it_touches(frame: Any) -> None:
    drawn = changed(BoxAnnotator(3, names=False).annotate(GREY, frame({"bbox": [4.2, 5, 9.9, 8]})))
    rows, columns = np.nonzero(drawn)
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (4, 14, 5, 12)


@pytest.mark.parametrize("bbox", [None, [0, 0, 0, 0], [5, 5, 0, 4]])
def test_an_object_that_is_not_there_has_no_box(frame: Any, bbox: Any) -> None:
    assert not changed(BoxAnnotator().annotate(GREY, frame({"bbox": bbox}))).any()


def test_the_name_of_a_box_at_the_edge_stays_in_the_picture(frame: Any) -> None:
    plain = BoxAnnotator(1, names=False).annotate(GREY, frame({"bbox": [36, 0, 4, 4]}))
    named = BoxAnnotator(1).annotate(GREY, frame({"bbox": [36, 0, 4, 4]}))
    assert changed(named).sum() > changed(plain).sum() + 50


@settings(max_examples=40, deadline=None)
@given(arrays(bool, st.tuples(st.integers(1, 30), st.integers(1, 30))))
def test_run_lengths_decode_as_the_coco_api_does(mask: np.ndarray) -> None:
    coco = pytest.importorskip("pycocotools.mask", reason="pycocotools is in the extra 'engine'")
    code = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    np.testing.assert_array_equal(decode_rle(code), mask)
    text = {"size": code["size"], "counts": code["counts"].decode()}
    np.testing.assert_array_equal(decode_rle(text), mask)
    np.testing.assert_array_equal(decode_rle(factory.rle(mask)), mask)


@pytest.mark.parametrize("counts", [[3, 4], "", "a1b2", [-1, 13]])
def test_a_damaged_mask_says_so(counts: Any) -> None:
    with pytest.raises(MediaError, match="do not add up"):
        decode_rle({"size": [3, 4], "counts": counts})


def test_a_mask_tints_its_pixels_and_no_other(frame: Any) -> None:
    mask = np.random.default_rng(3).random((HEIGHT, WIDTH)) < 0.3
    labels = frame({"segmentation": factory.rle(mask)})
    np.testing.assert_array_equal(changed(MaskAnnotator().annotate(GREY, labels)), mask)


@pytest.mark.parametrize("size", [(HEIGHT + 1, WIDTH), (HEIGHT - 1, WIDTH + 1)])
def test_a_mask_fits_the_picture_of_an_encoder_that_cut_or_padded(
    frame: Any, size: tuple[int, int]
) -> None:
    mask = np.random.default_rng(4).random(size) < 0.5
    labels = frame({"segmentation": factory.rle(mask)}, height=size[0], width=size[1])
    drawn = changed(MaskAnnotator().annotate(GREY, labels))
    rows, columns = min(HEIGHT, size[0]), min(WIDTH, size[1])
    np.testing.assert_array_equal(drawn[:rows, :columns], mask[:rows, :columns])
    assert not drawn[rows:].any()


def test_a_polygon_is_filled(frame: Any) -> None:
    labels = frame({"segmentation": [[5, 4, 15.99, 4, 15.99, 9.99, 5, 9.99]]})
    rows, columns = np.nonzero(changed(MaskAnnotator().annotate(GREY, labels)))
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (5, 15, 4, 9)
    assert len(rows) == 11 * 6


def test_an_object_inside_another_shows_through_its_mask(frame: Any) -> None:
    big, small = np.ones((HEIGHT, WIDTH), bool), np.zeros((HEIGHT, WIDTH), bool)
    small[10:14, 10:14] = True
    labels = frame(
        {"segmentation": factory.rle(small), "area": 16},
        {"segmentation": factory.rle(big), "area": big.size, "category_id": 1},
    )
    drawn = MaskAnnotator().annotate(GREY, labels)
    assert (drawn[11, 11] != drawn[0, 0]).any()


def test_categories_have_colours_of_their_own(frame: Any) -> None:
    mask = factory.rle(np.ones((HEIGHT, WIDTH), bool))
    drawn = {
        tuple(
            MaskAnnotator(1)
            .annotate(GREY, frame({"segmentation": mask, "category_id": category}))[0, 0]
            .tolist()
        )
        for category in range(21)
    }
    assert len(drawn) == 21


def test_a_mask_of_another_size_is_an_error(frame: Any) -> None:
    labels = frame({"segmentation": factory.rle(np.ones((4, 5), bool))})
    with pytest.raises(MediaError, match=r"Frame 0 .*labels\.json.* 5 x 4 .* picture 40 x 30"):
        MaskAnnotator().annotate(GREY, labels)


@pytest.mark.parametrize(
    "wrong",
    [
        {"cuboid_coordinates": [[1, 2, 3]] * 4},
        {"bbox": [1, 2]},
        {"bbox": ["a", None, 3, 4]},
        {"keypoints": [1] * 50},
        {"armature_keypoints": [1, 2]},
        {"armature_keypoints": {"head": {"x": 1, "y": [2]}}},
        {"category_id": "person"},
        {"area": "large"},
    ],
)
def test_a_malformed_label_names_its_file_and_frame(frame: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(MediaError, match=r"Frame 3 of the labels .*labels\.json cannot be read"):
        frame(wrong, frame_number=3)


@pytest.mark.parametrize(
    "outline", [{"size": [4]}, {"counts": [1]}, {"size": [1, 1], "counts": [None]}, [["a"]]]
)
def test_a_malformed_outline_names_its_file_and_frame(frame: Any, outline: Any) -> None:
    with pytest.raises(MediaError, match=r"Frame 3 of the labels .*labels\.json cannot be read"):
        MaskAnnotator().annotate(GREY, frame({"segmentation": outline}, frame_number=3))


@pytest.mark.parametrize("far", [float("nan"), float("inf"), -1e300])
def test_what_has_no_place_is_not_drawn(frame: Any, far: float) -> None:
    point = {"x": far, "y": 5, "v": 2}
    labels = frame(
        {
            "bbox": [0, 0, far, 5],
            "keypoints": [far, 5, 2] * 17,
            "armature_keypoints": {"pelvis": point, "spine1": point},
            "cuboid_coordinates": [[far, 5, 1]] * 8,
        },
        rep_count_from_start="three" if np.isfinite(far) else far,
    )
    for annotator in OF_LABELS:
        np.testing.assert_array_equal(annotator.annotate(GREY, labels), GREY)


@settings(max_examples=30, deadline=None)
@given(st.floats(5, 35), st.floats(5, 25))
def test_a_keypoint_is_centred_on_its_coordinate(frame: Any, x: float, y: float) -> None:
    labels = frame({"keypoints": [x, y, 2]})
    drawn = KeypointAnnotator().annotate(GREY, labels).astype(float)
    weight = np.abs(drawn - 128).sum(axis=2)
    columns, rows = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    assert (columns * weight).sum() / weight.sum() == pytest.approx(x, abs=0.3)
    assert (rows * weight).sum() / weight.sum() == pytest.approx(y, abs=0.3)


def test_visibility_decides_how_a_keypoint_looks(frame: Any) -> None:
    seen, hidden, outside = (
        KeypointAnnotator().annotate(GREY, frame({"keypoints": [20, 15, v]})) for v in (2, 1, 0)
    )
    assert not changed(outside).any()
    assert changed(hidden).any()
    assert (seen != hidden).any()


def person(tmp_path: Path, number: int = 0) -> FrameLabels:
    path = tmp_path / "person.json"
    path.write_text(json.dumps(factory.labels(3)))
    return Labels(path).frame(number)


def test_bones_join_joints_and_stop_at_the_picture(tmp_path: Path) -> None:
    labels = person(tmp_path)
    black = np.zeros((factory.HEIGHT, factory.WIDTH, 3), np.uint8)
    drawn = SkeletonAnnotator().annotate(black, labels)
    points = labels.annotations[0].armature
    for parent, child in (("left_knee", "left_ankle"), ("right_shoulder", "right_elbow")):
        x = (points[parent].x + points[child].x) / 2
        y = (points[parent].y + points[child].y) / 2
        assert drawn[int(y), int(x)].any()
    left, right = drawn[:, factory.WIDTH // 2 + 20 :], drawn[:, : factory.WIDTH // 2 - 20]
    assert (left[..., 0] >= left[..., 2]).all(), "the person's left is orange"
    assert (right[..., 2] >= right[..., 0]).all(), "the person's right is blue"


def test_a_cuboid_passes_through_its_corners_but_not_behind_the_camera(frame: Any) -> None:
    corners = [(5, 5), (20, 5), (24, 8), (9, 8), (5, 20), (20, 20), (24, 23), (9, 23)]
    labels = frame({"cuboid_coordinates": [[x + 0.5, y + 0.5, 2.0] for x, y in corners]})
    drawn = changed(CuboidAnnotator().annotate(GREY, labels))
    assert all(drawn[y, x] for x, y in corners)
    behind = [[0, 0, 0.0] if n == 0 else [x, y, 2.0] for n, (x, y) in enumerate(corners)]
    drawn = changed(CuboidAnnotator().annotate(GREY, frame({"cuboid_coordinates": behind})))
    assert not drawn[:3, :3].any()
    assert drawn[20, 12]


def test_names_of_neighbours_never_cover_each_other(frame: Any) -> None:
    picture = np.full((200, 300, 3), 128, np.uint8)
    boxes = [[100 + 4 * n, 90 + 2 * n, 30, 20] for n in range(4)]
    labels = frame(
        *({"bbox": box, "category_id": n} for n, box in enumerate(boxes)), width=300, height=200
    )
    named, plain = (BoxAnnotator(1, names=on).annotate(picture, labels) for on in (True, False))
    written = (named != plain).any(axis=2)
    for category in range(4):
        single = frame({"bbox": boxes[category], "category_id": category}, width=300, height=200)
        fill = BoxAnnotator(1).annotate(picture, single)
        fill = fill[(fill != BoxAnnotator(1, names=False).annotate(picture, single)).any(axis=2)][0]
        rows, columns = np.nonzero(written & (named == fill).all(axis=2))
        if len(rows):  # a name is a whole rectangle, or not there
            tall, wide = np.ptp(rows) + 1, np.ptp(columns) + 1
            assert len(rows) > 0.5 * tall * wide


def test_a_text_wider_than_the_picture_loses_its_middle() -> None:
    labels = FrameLabels(0, WIDTH, HEIGHT, (), {})
    one, same, other = (
        TextAnnotator(text).annotate(GREY, labels)
        for text in ("beginning to end", "beginning, then end", "beginning to END")
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).any(), "its end is written"


def test_any_script_can_be_written() -> None:
    shots = {
        TextAnnotator(text).annotate(GREY, FrameLabels(0, WIDTH, HEIGHT, (), {})).tobytes()
        for text in ("Ä", "A", "好", "Ω", "?")
    }
    assert len(shots) == 5


def test_text_may_follow_the_labels_and_the_corner(frame: Any) -> None:
    labels = frame(spill_visible=True)
    drawn = TextAnnotator(lambda found: "x" * found.scalars["spill_visible"], "bottom right")
    rows, columns = np.nonzero(changed(drawn.annotate(GREY, labels)))
    assert (rows.max(), columns.max()) == (HEIGHT - 1, WIDTH - 1)
    assert rows.min() > 5
    assert not changed(TextAnnotator("").annotate(GREY, labels)).any()


@pytest.mark.parametrize(
    ("make", "advice"),
    [
        (lambda: SkeletonAnnotator("cocoo"), "'cocoo'. Did you mean coco"),
        (lambda: KeypointAnnotator("faces"), "'faces'. Available: armature, vertex, coco"),
        (lambda: TextAnnotator("a", "middle"), "'middle'. Available: top left, top right"),
    ],
)
def test_an_unknown_style_says_what_there_is(make: Callable[[], Any], advice: str) -> None:
    with pytest.raises(FrameError, match=advice):
        make()


def test_the_bar_fills_once_per_repetition(frame: Any) -> None:
    bars = [
        (RepCountAnnotator().annotate(GREY, frame(rep_count_from_start=n))[-1, :, 0] > 200).sum()
        for n in (0, 2.25, 2.5, 2.999)
    ]
    assert bars == [0, WIDTH // 4, WIDTH // 2, WIDTH]


def test_a_frame_without_a_count_is_left_alone(frame: Any) -> None:
    assert not changed(RepCountAnnotator().annotate(GREY, frame())).any()


@pytest.mark.parametrize("annotator", [*OF_LABELS, TextAnnotator("text")])
def test_the_given_picture_is_never_drawn_on(annotator: Annotator, tmp_path: Path) -> None:
    picture = factory.picture(1)
    picture.flags.writeable = False
    drawn = annotator.annotate(picture, person(tmp_path, 1))
    assert drawn is not picture
    assert drawn.shape == picture.shape


def test_labels_are_read_however_they_are_laid_out(tmp_path: Path) -> None:
    content = factory.labels(3)
    plain = tmp_path / "plain.json"
    plain.write_text(json.dumps(content))
    laid_out = tmp_path / "indented.json"
    shuffled = dict(reversed(content.items())) | {"annotations": content["annotations"][::-1]}
    laid_out.write_text("\n" + json.dumps(shuffled, indent="\t") + " \n")
    for one, other in zip(Labels(plain), Labels(laid_out), strict=True):
        assert one.scalars == other.scalars
        assert [item.raw for item in one.annotations] == [item.raw for item in other.annotations]
    assert [f.frame_number for f in Labels(plain)] == [0, 1, 2]


@settings(max_examples=25, deadline=None)
@given(st.floats(0, 0.999))
def test_cut_labels_never_pass_for_whole_ones(cut: float) -> None:
    import tempfile

    text = json.dumps(factory.labels(2))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "labels.json")
        path.write_text(text[: int(len(text) * cut)])
        with pytest.raises(MediaError, match="cannot be read"):
            Labels(path)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 30), st.integers(0, 20), st.integers(1, 10), st.integers(1, 10))
def test_enlarged_labels_lie_on_the_enlarged_picture(
    frame: Any, x: int, y: int, w: int, h: int
) -> None:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[y : y + h, x : x + w] = True
    labels = frame({"bbox": [x, y, w, h], "segmentation": factory.rle(mask)})
    large = np.repeat(np.repeat(GREY, 3, axis=0), 3, axis=1)
    for annotator in (MaskAnnotator(), BoxAnnotator(100, names=False)):
        drawn = (annotator.annotate(large, labels.enlarged(3)) != 128).any(axis=2)
        small = changed(annotator.annotate(GREY, labels))
        np.testing.assert_array_equal(drawn, small.repeat(3, axis=0).repeat(3, axis=1))
