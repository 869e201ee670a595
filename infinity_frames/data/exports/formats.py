"""The registry of export formats: the built-in ones and those of other packages."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

from infinity_frames.data.exports.annotation_tools import Cvat, LabelStudio
from infinity_frames.data.exports.base import Format
from infinity_frames.data.exports.coco import Coco
from infinity_frames.data.exports.csv_series import CsvSeries
from infinity_frames.data.exports.huggingface import HuggingFace
from infinity_frames.data.exports.parquet import ParquetTables
from infinity_frames.data.exports.webdataset import WebDataset
from infinity_frames.data.exports.yolo import YoloDetect, YoloPose, YoloSegment
from infinity_frames.protocol.errors import ResultsError, nearest

__all__ = ["BUILT_IN", "find_format"]

BUILT_IN: tuple[Format, ...] = (
    Coco(),
    YoloDetect(),
    YoloPose(),
    YoloSegment(),
    ParquetTables(),
    HuggingFace(),
    WebDataset(),
    CsvSeries(),
    Cvat(),
    LabelStudio(),
)
_ALIASES = {"yolo": "yolo-detect"}
_GROUP = "infinity_frames.exports"


def find_format(name: str) -> Format:
    """Return the format of a name.

    Parameters
    ----------
    name : str
        A built-in format, or the name of an entry point of the group ``infinity_frames.exports``.

    Raises
    ------
    ResultsError
        There is no such format, or the package that registers it does not work.
    """
    name = _ALIASES.get(str(name), str(name))
    for known in BUILT_IN:
        if known.name == name:
            return known
    entries = {entry.name: entry for entry in entry_points(group=_GROUP)}
    if name in entries:
        return _load(entries[name])
    names = [*(known.name for known in BUILT_IN), *entries]
    advice = nearest(name, names)
    if not advice.startswith("Did you mean"):
        advice = f"Available: {', '.join(names)}."
    raise ResultsError(f"Unknown export format {name!r}.", advice=advice, format=name)


def _load(entry: EntryPoint) -> Format:
    try:
        made = entry.load()()
    except Exception as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        raise ResultsError(
            f"The export format {entry.name!r} of {entry.value} cannot be loaded ({text}).",
            advice="Update or remove the package that provides it.",
            format=entry.name,
        ) from error
    if not isinstance(made, Format):
        raise ResultsError(
            f"The export format {entry.name!r} of {entry.value} is not a Format.",
            advice="It needs name, usage, takes_pictures, takes_series, part_names() and write().",
            format=entry.name,
        )
    return made
