"""One job's labels against its masks, its camera and its video."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from infinity_frames.data.labels import PERSON
from infinity_frames.data.layout import JobFiles, read_json
from infinity_frames.data.masks import MaskArchive
from infinity_frames.data.verify.masks import MaskAudit
from infinity_frames.data.verify.points import PointAudit
from infinity_frames.data.verify.report import Ledger
from infinity_frames.protocol.errors import MediaError, ResultsError

__all__ = ["audit"]

_BROKEN = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


def audit(job: JobFiles) -> Ledger:
    """Check one job, frame by frame; nothing in its files makes this raise."""
    ledger = Ledger(job.job_id)
    labels = _labels(job, ledger)
    frames = _video_frames(job, ledger)
    try:
        if labels is not None:
            _audit_labels(job, labels, frames, ledger)
        elif job.series is not None:
            _audit_series(job, frames, ledger)
    except _BROKEN as error:
        what = f"the labels are not those of a COCO file ({type(error).__name__}: {error})"
        ledger.check("files", False, what, found=str(job.labels or job.series))
    return ledger


@dataclass(frozen=True)
class Video:
    """What a job's video really holds: frames counted, pixels, Hz."""

    frames: int
    width: int
    height: int
    frame_rate: float


def _labels(job: JobFiles, ledger: Ledger) -> dict[str, Any] | None:
    is_flat = job.folder == job.root
    there = job.record is not None or is_flat
    ledger.check("files", there, "has no job.json", found=str(job.folder))
    read = {}
    for file in (job.record, job.labels):
        if file is not None:
            read[file], problem = read_json(file, job.job_id)
            what = "" if problem is None else problem.what
            ledger.check("files", problem is None, f"the file {what}", found=str(file))
    return None if job.labels is None else read[job.labels]


def _video_frames(job: JobFiles, ledger: Ledger) -> Video | None:
    if job.video is None:
        return None
    from infinity_frames.io.video import count_frames, video_info  # FFmpeg only where it is needed

    try:
        info = video_info(job.video)
        video = Video(count_frames(job.video), info.width, info.height, info.frame_rate)
    except MediaError as error:
        ledger.check("files", False, error.problem, found=str(job.video))
        return None
    ledger.check("files", True, "")
    return video


def _audit_series(job: JobFiles, video: Video | None, ledger: Ledger) -> None:
    import pyarrow.csv as pa_csv

    assert job.series is not None
    series = pa_csv.read_csv(job.series)
    if video is None:
        return
    rows = series.num_rows
    if "device_time" in series.column_names and rows:
        # A sensor with a clock and a rate of its own: both must be equally long, to a frame.
        end, last = series["time"][-1].as_py(), (video.frames - 1) / video.frame_rate
        what = f"the sensor data ends at {end:.3f} s and the video at {last:.3f} s"
        close = abs(last - end) <= 1.0 / video.frame_rate
        ledger.check("frames", close, what, expected=end, found=last)
        return
    what = f"the sensor data has {rows} samples and the video {video.frames} frames"
    ledger.check("frames", video.frames == rows, what, expected=rows, found=video.frames)


def _audit_labels(
    job: JobFiles, labels: Mapping[str, Any], video: Video | None, ledger: Ledger
) -> None:
    images = labels.get("images") or []
    annotations = labels.get("annotations") or []
    categories = {c.get("id"): c for c in labels.get("categories") or ()}
    _audit_ids(images, annotations, categories, ledger)
    numbers = [image.get("frame_number", place) for place, image in enumerate(images)]
    _audit_numbers(numbers, video, ledger)
    _audit_size(images, video, ledger)
    with ExitStack() as stack:
        masks = None
        if job.segmentation is not None:
            try:
                archive = stack.enter_context(MaskArchive(job.segmentation))
            except ResultsError as error:
                ledger.check("files", False, error.problem, found=str(job.segmentation))
            else:
                masks = archive
                _audit_members(archive, numbers, ledger)
        of_image: defaultdict[Any, list[dict[str, Any]]] = defaultdict(list)
        for annotation in annotations:
            of_image[annotation.get("image_id")].append(annotation)
        on_masks = MaskAudit(masks, annotations, categories, ledger)
        on_points = PointAudit(labels.get("info") or {}, ledger)
        people = {id_ for id_, c in categories.items() if c.get("name") == PERSON}
        expects_person = any(a.get("category_id") in people for a in annotations)
        for number, image in sorted(
            zip(numbers, images, strict=True), key=lambda pair: (pair[0] is None, pair[0])
        ):
            present = of_image[image.get("id")]
            if expects_person:
                somebody = any(a.get("category_id") in people for a in present)
                what = "other frames have a person, this one has none"
                ledger.check("annotations", somebody, what, frame=number)
            visible = on_masks.frame(number, image, present)
            for annotation in present:
                mask = visible.get(annotation.get("id"))
                on_points.annotation(number, image, annotation, mask)


def _audit_ids(
    images: Sequence[Mapping[str, Any]],
    annotations: Sequence[Mapping[str, Any]],
    categories: Mapping[Any, Any],
    ledger: Ledger,
) -> None:
    for what, rows in (("image", images), ("annotation", annotations)):
        counts = Counter(row.get("id") for row in rows)
        for id_, count in counts.items():
            message = f"{count} {what}s have the id {id_}"
            own = id_ if what == "annotation" else None
            ledger.check("ids", count == 1, message, expected=1, found=count, annotation=own)
    known = {image.get("id") for image in images}
    for row in annotations:
        for key, there in (("image_id", known), ("category_id", categories)):
            message = f"{key} names none of the file's"
            ledger.check(
                "ids", row.get(key) in there, message, found=row.get(key), annotation=row.get("id")
            )


def _audit_numbers(numbers: Sequence[Any], video: Video | None, ledger: Ledger) -> None:
    counts = Counter(numbers)
    for number, count in counts.items():
        message = f"{count} images are frame {number}"
        ledger.check("frames", count == 1, message, expected=1, found=count, frame=number)
    for number in _gaps(counts):
        ledger.check("frames", False, "no image is this frame", frame=number)
    if video is not None:
        what = f"the labels have {len(numbers)} frames and the video {video.frames}"
        same = len(numbers) == video.frames
        ledger.check("frames", same, what, expected=len(numbers), found=video.frames)


def _gaps(counts: Mapping[Any, int]) -> Iterator[int]:
    there = [number for number in counts if isinstance(number, int)]
    yield from (n for n in range(max(there, default=-1) + 1) if n not in counts)


def _audit_size(images: Sequence[Mapping[str, Any]], video: Video | None, ledger: Ledger) -> None:
    sizes = {(image.get("width"), image.get("height")) for image in images}
    many = f"the images are of {len(sizes)} sizes"
    ledger.check("size", len(sizes) <= 1, many, found=sorted(map(str, sizes)))
    if video is None or len(sizes) != 1:
        return
    width, height = map(int, *sizes)
    # H.264 with 4:2:0 colour has only even sizes: an odd one gets a copy of its last row.
    padded = [width + width % 2, height + height % 2]
    size = [video.width, video.height]
    message = f"the labels are {width} x {height} px and the video {size[0]} x {size[1]}"
    ledger.check("size", size in ([width, height], padded), message, expected=padded, found=size)


def _audit_members(archive: MaskArchive, numbers: Sequence[Any], ledger: Ledger) -> None:
    for kind in ("iseg", "cseg"):
        there = set(archive.frames(kind))
        for number in numbers:
            message = f"the archive of masks has no {kind} mask of this frame"
            ledger.check("frames", number in there, message, frame=number)
        for number in sorted(there - set(numbers)):
            message = f"the archive has an {kind} mask of a frame without labels"
            ledger.check("frames", False, message, frame=number)
