"""Every kind of frame as a pandera schema, and the small context a jobs frame carries.

A kind names its columns and their dtypes once; the typed empty frame, the pandera schema and the
cast of whatever came from JSON, SQL or CSV all follow from that.
"""

from __future__ import annotations

import difflib
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
import pandas as pd

from infinity_frames.protocol.errors import FrameError

if TYPE_CHECKING:
    import pandera.pandas as pa


__all__ = [
    "ANNOTATIONS",
    "BATCH",
    "CATEGORIES",
    "COLORS",
    "CUBOIDS",
    "DISCREPANCIES",
    "IMAGES",
    "KEYPOINTS",
    "PARAMETERS",
    "RESULTS",
    "SCENES",
    "TAG_PREFIX",
    "TIMESERIES",
    "UTC",
    "VIOLATIONS",
    "Kind",
    "context",
    "folders",
    "pandera",
    "with_context",
    "with_folders",
]

UTC: Final = "datetime64[us, UTC]"
TAG_PREFIX = "tag_"
STATUSES = ("queued", "running", "completed", "failed", "cancelled")
RULES = ("unknown", "type", "min", "max", "choices", "constraint")
SKELETONS = ("armature", "vertex", "coco")


@dataclass(frozen=True)
class Kind:
    """One kind of frame: the columns every frame of that kind has.

    Parameters
    ----------
    name : str
        Name of the kind of frame in messages.
    columns : mapping of str to str or tuple of str
        Column to dtype; a tuple means a categorical column of these values. More columns may
        follow:
        parameters, tags, further labels, whatever a user added.
    optional : mapping of str to str
        Dtypes of known labels that are columns only where the data has them.
    """

    name: str
    columns: Mapping[str, str | tuple[str, ...]]
    optional: Mapping[str, str] = field(default_factory=dict)

    def dtype(self, column: str) -> Any:
        """Pandas dtype of one of the kind's own columns."""
        dtype = self.columns[column]
        return pd.CategoricalDtype(list(dtype)) if isinstance(dtype, tuple) else dtype

    @property
    def schema(self) -> pa.DataFrameSchema:
        """The pandera schema: columns present, dtypes right, any value missing, more allowed."""
        return _schema(self.name, tuple(self.columns))

    def empty(self) -> pd.DataFrame:
        """Return a frame of this kind without rows."""
        return _empty(self.name).copy()

    def conform(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Cast to the kind's dtypes and put its columns first, adding those that are missing.

        A value outside a category's list widens the category: data is what it is.
        """
        out = frame.copy(deep=False)
        for column in self.columns:
            if column not in out.columns:
                out[column] = pd.Series(pd.NA, index=out.index, dtype="object")
            out[column] = self._cast(out[column], column)
        more = [column for column in out.columns if column not in self.columns]
        return out[[*self.columns, *more]]

    def fitting(self, frame: pd.DataFrame) -> tuple[pd.DataFrame, list[tuple[Any, str, Any]]]:
        """As :meth:`conform`, but values that cannot be cast are left out.

        Returns
        -------
        DataFrame
            The frame, missing where a value could not be cast.
        list of (label, str, value)
            Row, column and value of those.
        """
        try:
            return self.conform(frame), []
        except _UNCASTABLE:
            pass
        odd = []
        out = frame.copy()
        for name in frame.columns.intersection(list(self.columns)):
            values = frame[name]
            if not self._casts(values, name):
                each = (values.iloc[at : at + 1] for at in range(len(values)))
                wrong = np.array([not self._casts(value, name) for value in each])
                out[name] = values.astype(object).where(~wrong, None)
                odd += [(row, name, frame.at[row, name]) for row in frame.index[wrong]]
        return self.conform(out), odd

    def _casts(self, values: pd.Series[Any], column: str) -> bool:
        try:
            self._cast(values, column)
        except _UNCASTABLE:
            return False
        return True

    def require(self, frame: pd.DataFrame, columns: Iterable[str], verb: str) -> None:
        """Raise unless the columns a verb needs are there.

        Raises
        ------
        FrameError
            The message names the verb, the missing columns and the kind of frame that the verb
            needs.
        """
        missing = [column for column in columns if column not in frame.columns]
        if missing:
            raise FrameError(
                f"{verb} needs a {self.name} frame, and this one lacks {', '.join(missing)}.",
                advice=_advice(missing, [str(name) for name in frame.columns]),
                verb=verb,
                columns=missing,
            )

    def _cast(self, values: pd.Series[Any], column: str) -> pd.Series[Any]:
        dtype = self.dtype(column)
        if values.dtype == pd.api.types.pandas_dtype(dtype):
            return values
        if isinstance(dtype, pd.CategoricalDtype):
            if isinstance(values.dtype, pd.CategoricalDtype):
                found = [v for v in values.cat.categories if v not in set(dtype.categories)]
                return values.cat.set_categories([*dtype.categories, *sorted(map(str, found))])
            text = values.astype("string")
            known = list(dtype.categories)
            more = [value for value in text.dropna().unique() if value not in set(known)]
            return text.astype(pd.CategoricalDtype([*known, *sorted(more)]))
        if dtype == UTC:
            # Numbers would be taken for nanoseconds, or parsed as years.
            if pd.api.types.infer_dtype(values) not in _TIMES and values.notna().any():
                raise TypeError(f"{column} has a value that is not a time")
            return pd.to_datetime(values, utc=True, format="ISO8601").astype(UTC)
        # Through the nullable type: it takes every way of writing a missing value.
        if dtype == "float64":
            nullable = values.astype("Float64")
            return pd.Series(nullable.to_numpy(float, na_value=np.nan), values.index)
        if dtype == "int64":
            return values.astype("Int64").astype("int64")
        return values.astype(dtype)


def _advice(missing: Sequence[str], known: Sequence[str]) -> str:
    """Return the advice for missing columns: correct a typo, submit the jobs, or keep them."""
    close = difflib.get_close_matches(missing[0], known, n=1, cutoff=0.75)
    if close and missing[0] not in ("batch_id", "job_id"):
        return f"Did you mean {close[0]}?"
    keep = f"Keep the column{'s' if len(missing) > 1 else ''} when selecting."
    if "job_id" in missing and "batch_id" not in known and "frame_number" not in known:
        return (
            "Jobs that were not submitted have none: .infinity.submit() them, or "
            f".infinity.run(path) renders and downloads them. {keep}"
        )
    return keep


_UNCASTABLE = (TypeError, ValueError, OverflowError)
_TIMES = ("string", "date", "datetime", "datetime64", "empty")


@cache
def _empty(name: str) -> pd.DataFrame:
    """Made once a kind: casting no rows to a dozen dtypes takes a third of drawing 10,000 jobs."""
    return next(kind for kind in KINDS if kind.name == name).conform(pd.DataFrame())


@cache
def _schema(name: str, columns: tuple[str, ...]) -> pa.DataFrameSchema:
    pandas_schemas = pandera()
    kind = next(kind for kind in KINDS if kind.name == name)
    # The values of a category are not pinned: readers never enforce choices.
    fields = {
        column: pandas_schemas.Column(
            None if isinstance(kind.columns[column], tuple) else kind.dtype(column),
            nullable=True,
        )
        for column in columns
    }
    return cast("pa.DataFrameSchema", pandas_schemas.DataFrameSchema(fields, name=name))


_importing = threading.Lock()


def pandera() -> ModuleType:
    """``pandera.pandas``, imported at first use: a quarter of a second that only checks are worth.

    One thread at a time: two that import it at once meet a deadlock between its modules.
    """
    with _importing:
        import pandera.pandas
    return pandera.pandas


PARAMETERS = Kind(
    "parameters",
    {
        "type": ("int", "float", "str", "bool", "uuid"),
        "default": "object",
        "min": "Float64",
        "max": "Float64",
        "choices": "object",
        "unit": "string",
        "description": "string",
    },
)
VIOLATIONS = Kind(
    "violations",
    {
        "position": "Int64",
        "label": "object",
        "parameter": "string",
        "rule": RULES,
        "value": "string",
        "message": "string",
    },
)
BATCH = Kind(
    "batch",
    {
        "batch_id": "string",
        "batch_name": "string",
        "job_id": "string",
        "generator": "string",
        "is_preview": "boolean",
        "status": STATUSES,
        "seed": "Int64",
        "estimated_samples": "Int64",
        "samples": "Int64",
        "error": "string",
        "created": UTC,
        "started": UTC,
        "finished": UTC,
    },
)
RESULTS = Kind(
    "results",
    {
        "batch_id": "string",
        "job_id": "string",
        "generator": "string",
        "is_preview": "boolean",
        "status": STATUSES,
        "seed": "Int64",
        "error": "string",
        "path": "string",
        "video": "string",
        "num_frames": "Int64",
        "avg_percent_in_fov": "Float64",
        "avg_percent_occlusion": "Float64",
    },
)
SCENES = Kind(
    "scenes",
    {"job_id": "string"},
    {
        "camera_pitch": "float64",
        "camera_yaw": "float64",
        "camera_height": "float64",
        "avatar_yaw": "float64",
        "avatar_presenting_gender": "string",
        "avatar_attire_top": "string",
        "avatar_attire_bottom": "string",
        "avatar_waist_circumference": "float64",
        "avatar_identity": "Int64",
    },
)
_FRAME = {"job_id": "string", "image_id": "int64", "frame_number": "int64"}
"""Columns that say which frame a row belongs to; a row without them is not kept."""
_OBJECT = {**_FRAME, "annotation_id": "int64"}
IMAGES = Kind(
    "images",
    {**_FRAME, "time": "float64", "width": "Int64", "height": "Int64"},
    {
        "rep_count_from_start": "float64",
        "rep_count_from_intermediate": "float64",
        "spill_visible": "boolean",
    },
)
ANNOTATIONS = Kind(
    "annotations",
    {
        **_OBJECT,
        "category": "string",
        "bbox_x": "float64",
        "bbox_y": "float64",
        "bbox_width": "float64",
        "bbox_height": "float64",
        "area": "float64",
        "iscrowd": "Int64",
        "percent_in_fov": "float64",
        "percent_occlusion": "float64",
        "num_keypoints": "Int64",
        "segmentation": "string",
    },
    {"instance_id": "Int64", "category_id": "Int64"},
)
KEYPOINTS = Kind(
    "keypoints",
    {
        **_OBJECT,
        "skeleton": SKELETONS,
        "name": "string",
        "x": "float64",
        "y": "float64",
        "v": "Int64",
        "z": "float64",
        "x_global": "float64",
        "y_global": "float64",
        "z_global": "float64",
    },
)
CUBOIDS = Kind(
    "cuboids",
    {**_OBJECT, "corner": "int64", "x": "float64", "y": "float64", "z": "float64"},
)
_REP_COUNTS = ("rep_count_from_start", "rep_count_from_intermediate")
_ROTATION = [f"rotation_matrix_m{row}{column}" for row in range(1, 4) for column in range(1, 4)]
TIMESERIES = Kind(
    "timeseries",
    {"job_id": "string", "sample": "int64", "time": "float64"},
    dict.fromkeys(("ref_xy_rotation", *_ROTATION, *_REP_COUNTS), "float64"),
)
CATEGORIES = Kind("categories", {"job_id": "string", "category_id": "int64", "name": "string"})
COLORS = Kind(
    "colors",
    {
        "job_id": "string",
        "kind": ("instance", "semantic"),
        "number": "int64",
        "category": "string",
        "instance_id": "Int64",
        "red": "int64",
        "green": "int64",
        "blue": "int64",
    },
)

DISCREPANCIES = Kind(
    "discrepancies",
    {
        "job_id": "string",
        "frame_number": "Int64",
        "annotation_id": "Int64",
        "check": "string",
        "expected": "string",
        "found": "string",
        "message": "string",
    },
)

KINDS = (
    PARAMETERS,
    VIOLATIONS,
    BATCH,
    RESULTS,
    SCENES,
    IMAGES,
    ANNOTATIONS,
    KEYPOINTS,
    CUBOIDS,
    TIMESERIES,
    CATEGORIES,
    COLORS,
    DISCREPANCIES,
)

_CONTEXT = "infinity"


def with_context(frame: pd.DataFrame, *, server: str, generator: str) -> pd.DataFrame:
    """Let a frame remember where it belongs: flat text only, never a token or an object.

    Parameters
    ----------
    frame : DataFrame
        Changed in place.
    server : str
        ``"embedded"`` or the server's address.
    generator : str
        The generator's full name.
    """
    frame.attrs[_CONTEXT] = {"server": server, "generator": generator}
    return frame


def with_folders(frame: pd.DataFrame, folders: Iterable[str]) -> pd.DataFrame:
    """Let a frame of labels remember which batch folders its jobs lie in.

    Parameters
    ----------
    frame : DataFrame
        Changed in place; what else it remembers stays.
    folders : iterable of str
        Absolute paths of batch folders or published data sets.
    """
    known = frame.attrs.get(_CONTEXT)
    more = {"folders": sorted(set(folders))}
    frame.attrs[_CONTEXT] = {**known, **more} if isinstance(known, Mapping) else more
    return frame


def context(frame: pd.DataFrame) -> dict[str, str]:
    """Return the context that a frame remembers: ``server`` and ``generator``, or an empty dict.

    Attributes come from files too, so anything that is not two short texts is ignored.
    """
    found = frame.attrs.get(_CONTEXT)
    if not isinstance(found, Mapping):
        return {}
    return {key: found[key] for key in ("server", "generator") if isinstance(found.get(key), str)}


def folders(frame: pd.DataFrame) -> list[str]:
    """Return the batch folders a frame of labels remembers its jobs in.

    An empty list if it does not.
    """
    found = frame.attrs.get(_CONTEXT)
    listed = found.get("folders") if isinstance(found, Mapping) else None
    if not isinstance(listed, (list, tuple)):
        return []
    return [folder for folder in listed if isinstance(folder, str)]
