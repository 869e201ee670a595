"""``df.infinity``: what you do with a frame, as methods on it.

Each verb calls the module that does the work. Nothing is kept between calls, since pandas makes a
new accessor on every access.
"""

from __future__ import annotations

import pandas as pd

from infinity_frames.verbs.batches import BatchVerbs
from infinity_frames.verbs.data_sets import DataSetVerbs
from infinity_frames.verbs.experiments import ExperimentVerbs
from infinity_frames.verbs.jobs import JobVerbs
from infinity_frames.verbs.plots import PlotVerbs
from infinity_frames.verbs.results import ResultVerbs

__all__ = ["InfinityAccessor"]

_IDS = ("batch_id", "job_id", "image_id", "frame_number", "annotation_id")


@pd.api.extensions.register_dataframe_accessor("infinity")
class InfinityAccessor(JobVerbs, BatchVerbs, ResultVerbs, DataSetVerbs, ExperimentVerbs, PlotVerbs):
    """Verbs on frames of jobs, of a batch and of results.

    Every verb takes ``session=`` (verbs on results: ``path=``) for when the frame's columns and
    context are not enough. Each acts on the rows it is given, so filter first, then call.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        # `set_index` and `groupby` move ids into the index, where no verb would find them.
        ids = [name for name in frame.index.names if name in _IDS and name not in frame.columns]
        self._frame = frame.reset_index(ids) if ids else frame

    def __repr__(self) -> str:
        from infinity_frames.vis.repr import of_frame, to_text

        return to_text(of_frame(self._frame))

    def _repr_html_(self) -> str:
        from infinity_frames.vis.repr import of_frame, previews, to_html
        from infinity_frames.web.notebook_table import notebook_table

        summary = to_html(of_frame(self._frame), previews(self._frame))
        return summary + notebook_table(self._frame)
