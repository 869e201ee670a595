"""Check the labels of one job against its masks, camera and video."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infinity_frames.client.download import file_digest
from infinity_frames.data.label_tables import read_series
from infinity_frames.data.labels import LabelsFile, open_labels
from infinity_frames.data.layout import JobFiles, read_json
from infinity_frames.data.masks import MaskArchive
from infinity_frames.data.problems import Problem
from infinity_frames.data.row_builder import MALFORMED
from infinity_frames.data.verify.masks import MaskAudit
from infinity_frames.data.verify.points import PointAudit
from infinity_frames.data.verify.report import AuditReport
from infinity_frames.protocol.errors import MediaError, ResultsError

__all__ = ["audit", "audit_download"]

_LISTED_GAPS = 1000
"""Most missing frames that get a row each."""


def audit_download(task: tuple[JobFiles, Mapping[str, str]]) -> AuditReport:
    """Check one job like :func:`audit`, and its files against digests.

    Parameters
    ----------
    task : tuple
        The job, and the SHA-256 of its files when they were downloaded, by name.
    """
    job, digests = task
    report = audit(job)
    for name, digest in digests.items():
        file = job.folder / name
        same = file_digest(file) == digest
        report.check("files", same, "the file was changed since its download", found=str(file))
    return report


def audit(job: JobFiles) -> AuditReport:
    """Check one job, frame by frame; malformed files become rows of the report."""
    report = AuditReport(job.job_id)
    labels = _labels(job, report)
    frames = _video_frames(job, report)
    try:
        if labels is not None:
            _audit_labels(job, labels, frames, report)
        if job.series is not None:
            _audit_series(job, frames, labels is not None, report)
    except MALFORMED as error:
        reason = " ".join(str(error).split())[:200]
        what = f"the labels are malformed ({type(error).__name__}: {reason})"
        report.check("files", False, what, found=str(job.labels or job.series))
    return report


@dataclass(frozen=True)
class Video:
    """Counted frames, size in px and rate in Hz of a job's video."""

    frames: int
    width: int
    height: int
    frame_rate: float


def _labels(job: JobFiles, report: AuditReport) -> LabelsFile | None:
    is_flat = job.folder == job.root
    there = job.record is not None or is_flat
    report.check("files", there, "has no job.json", found=str(job.folder))
    if job.record is not None:
        _, problem = read_json(job.record, job.job_id)
        _check_file(job.record, problem, report)
    if job.labels is None:
        return None
    labels, problem = open_labels(job.labels, job.job_id)
    _check_file(job.labels, problem, report)
    return labels


def _check_file(file: Path, problem: Problem | None, report: AuditReport) -> None:
    what = "" if problem is None else problem.what
    report.check("files", problem is None, f"the file {what}", found=str(file))


def _video_frames(job: JobFiles, report: AuditReport) -> Video | None:
    if job.video is None:
        return None
    from infinity_frames.io.video import count_frames, video_info  # FFmpeg only where it is needed

    try:
        info = video_info(job.video)
        video = Video(count_frames(job.video), info.width, info.height, info.frame_rate)
    except MediaError as error:
        report.check("files", False, error.problem, found=str(job.video))
        return None
    report.check("files", True, "")
    return video


def _audit_series(job: JobFiles, video: Video | None, labeled: bool, report: AuditReport) -> None:
    assert job.series is not None
    series = read_series(job.series)
    if video is None:
        return
    rows = series.num_rows
    own_rate = labeled or "device_time" in series.column_names
    if own_rate and rows and "time" in series.column_names:
        # The rate of the sensor may differ from that of the video: both must be equally long, to
        # a frame.
        end, last = series["time"][-1].as_py(), (video.frames - 1) / video.frame_rate
        what = f"the sensor data ends at {end:.3f} s and the video at {last:.3f} s"
        close = abs(last - end) <= 1.0 / video.frame_rate
        report.check("frames", close, what, expected=end, found=last)
        return
    what = f"the sensor data has {rows} samples and the video {video.frames} frames"
    report.check("frames", video.frames == rows, what, expected=rows, found=video.frames)


def _audit_labels(
    job: JobFiles, labels: LabelsFile, video: Video | None, report: AuditReport
) -> None:
    annotations = list(labels.annotations())
    numbers = labels.frame_numbers
    _audit_ids(labels.images, annotations, labels.categories, report)
    _audit_numbers(numbers, video, report, is_preview=job.is_preview)
    _audit_size(labels.images, video, report)
    with ExitStack() as stack:
        masks = None
        if job.segmentation is not None:
            try:
                archive = stack.enter_context(MaskArchive(job.segmentation))
            except ResultsError as error:
                report.check("files", False, error.problem, found=str(job.segmentation))
            else:
                masks = archive
                _audit_members(archive, numbers, report)
        on_masks = MaskAudit(masks, annotations, labels.categories, report)
        on_points = PointAudit(labels.info, report)
        people = labels.person_ids
        expects_person = any(a.get("category_id") in people for a in annotations)
        for position in labels.order:
            number, image = numbers[position], labels.images[position]
            present = labels.annotations_of(position)
            if expects_person:
                has_person = any(a.get("category_id") in people for a in present)
                what = "other frames have a person, this one has none"
                report.check("annotations", has_person, what, frame=number)
            visible = on_masks.frame(number, image, present)
            for annotation in present:
                mask = visible.get(annotation.get("id"))
                on_points.annotation(number, image, annotation, mask)


def _audit_ids(
    images: Sequence[Mapping[str, Any]],
    annotations: Sequence[Mapping[str, Any]],
    categories: Mapping[Any, Any],
    report: AuditReport,
) -> None:
    for what, rows in (("image", images), ("annotation", annotations)):
        counts = Counter(row.get("id") for row in rows)
        for id_, count in counts.items():
            message = f"{count} {what}s have the id {id_}"
            own = id_ if what == "annotation" else None
            report.check("ids", count == 1, message, expected=1, found=count, annotation=own)
    known = {image.get("id") for image in images}
    for row in annotations:
        for key, there in (("image_id", known), ("category_id", categories)):
            message = f"{key} is not an id of this file"
            report.check(
                "ids", row.get(key) in there, message, found=row.get(key), annotation=row.get("id")
            )


def _audit_numbers(
    numbers: Sequence[int], video: Video | None, report: AuditReport, *, is_preview: bool
) -> None:
    counts = Counter(numbers)
    for number, count in counts.items():
        message = f"{count} images are frame {number}"
        report.check("frames", count == 1, message, expected=1, found=count, frame=number)
    # A preview is one frame of its video, and not always the first.
    if not is_preview:
        _audit_gaps(counts, report)
    if video is not None:
        what = f"the labels have {len(numbers)} frames and the video {video.frames}"
        same = len(numbers) == video.frames
        report.check("frames", same, what, expected=len(numbers), found=video.frames)


def _audit_gaps(counts: Mapping[int, int], report: AuditReport) -> None:
    """Report frames from 0 to the last one that no image is: one by one, or as a number of many."""
    missing = max(counts, default=-1) + 1 - sum(number >= 0 for number in counts)
    if 0 < missing <= _LISTED_GAPS:
        for number in range(max(counts)):
            if number not in counts:
                report.check("frames", False, "no image is this frame", frame=number)
    elif missing > 0:
        what = f"{missing} frames before the last have no image"
        report.check("frames", False, what, expected=0, found=missing)


def _audit_size(
    images: Sequence[Mapping[str, Any]], video: Video | None, report: AuditReport
) -> None:
    sizes = {(image.get("width"), image.get("height")) for image in images}
    many = f"the images are of {len(sizes)} sizes"
    report.check("size", len(sizes) <= 1, many, found=sorted(map(str, sizes)))
    if video is None or len(sizes) != 1:
        return
    width, height = next(iter(sizes))
    if width is None or height is None:
        return
    width, height = int(width), int(height)
    # H.264 with 4:2:0 color has only even sizes: an odd height is padded with a copy of the last
    # row.
    padded = [width + width % 2, height + height % 2]
    size = [video.width, video.height]
    message = f"the labels are {width} x {height} px and the video {size[0]} x {size[1]}"
    report.check("size", size in ([width, height], padded), message, expected=padded, found=size)


def _audit_members(archive: MaskArchive, numbers: Sequence[Any], report: AuditReport) -> None:
    for kind in ("iseg", "cseg"):
        there = set(archive.frames(kind))
        for number in numbers:
            message = f"the archive of masks has no {kind} mask of this frame"
            report.check("frames", number in there, message, frame=number)
        for number in sorted(there - set(numbers)):
            message = f"the archive has an {kind} mask of a frame without labels"
            report.check("frames", False, message, frame=number)
