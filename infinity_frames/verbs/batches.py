"""Verbs on submitted jobs: wait for them, download their results, repeat them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from infinity_frames.frame import Frame
from infinity_frames.protocol.lazy import LazyModule

if TYPE_CHECKING:
    from infinity_frames import batch as batches
    from infinity_frames.batch import Batch
    from infinity_frames.client.origin import HasOrigin
else:  # imported when a verb first needs it
    batches = LazyModule("infinity_frames.batch")

__all__ = ["BatchVerbs"]


class BatchVerbs:
    """Verbs on the jobs of a batch, or of several."""

    _frame: pd.DataFrame

    @property
    def batch(self) -> Batch:
        """The batch that all rows belong to.

        Examples
        --------
        >>> submitted.infinity.batch.num_jobs
        1
        """
        return batches.batch_of(self._frame)

    def refresh(self, *, session: HasOrigin | None = None) -> Frame:
        """Ask the server for the present state of these jobs.

        Examples
        --------
        >>> submitted.infinity.refresh()["status"].tolist()
        ['completed']
        """
        return batches.refresh_frame(self._frame, session)

    def await_completion(
        self, timeout: float | None = None, *, session: HasOrigin | None = None
    ) -> Frame:
        """Wait until these jobs have finished, successfully or not.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most.

        Returns
        -------
        Frame
            All rows, with their final state.

        Raises
        ------
        BatchTimeout
            Some jobs had not finished in time; they continue.

        Examples
        --------
        >>> submitted.infinity.await_completion(timeout=60)["status"].unique().tolist()
        ['completed']
        """
        return batches.await_frame(self._frame, session, timeout=timeout)

    def cancel(self, *, session: HasOrigin | None = None) -> Frame:
        """Stop the unfinished jobs.

        Examples
        --------
        >>> submitted.infinity.cancel()["status"].tolist()  # finished jobs stay as they are
        ['completed']
        """
        return batches.cancel_frame(self._frame, session)

    def download(
        self,
        path: str | Path,
        overwrite: bool = False,
        quiet: bool = False,
        *,
        check: bool = False,
        columns: str = "all",
        session: HasOrigin | None = None,
    ) -> Frame:
        """Fetch the missing results of these jobs, and return the results frame.

        Parameters
        ----------
        path : path
            The batch's folder; rows of several batches get a folder each inside it.
        overwrite : bool
            Fetch again files that are already there.
        quiet : bool
            No progress bar.
        check : bool
            Compare existing files with the digests recorded on arrival, and fetch changed files
            again.
        columns : {"all", "labels"}
            ``"labels"`` fetches labels and sensor data only, by range requests: no videos, pictures
            and masks. A later download without it fetches the rest. The files that are read are
            checked by their checksums; the archive as a whole is not.

        Raises
        ------
        DownloadIncomplete
            Some jobs could not be fetched; the others are safe.

        Examples
        --------
        >>> submitted.infinity.download("downloaded", quiet=True)["video"].isna().tolist()
        [True]
        >>> from pathlib import Path
        >>> labels = submitted.infinity.download("labels", columns="labels", quiet=True)
        >>> sorted(file.name for file in Path(labels["path"][0]).iterdir())  # no picture
        ['job.json', 'labels.json']
        """
        options = {"overwrite": overwrite, "check": check, "quiet": quiet}
        return batches.download_frame(self._frame, path, session, columns=columns, **options)

    def seeded(self, *, session: HasOrigin | None = None) -> Frame:
        """Repeat the same jobs: a jobs frame whose ``state`` names the job of each row.

        Only the account that submitted the jobs can do this; others use :meth:`recipe`.

        Examples
        --------
        >>> submitted.infinity.seeded()["state"].tolist() == submitted["job_id"].tolist()
        True
        """
        return batches.seeded(self._frame, session)

    def renew(
        self, n: int = 1, seed: int | None = None, *, session: HasOrigin | None = None
    ) -> Frame:
        """Repeat the parameters with fresh randomness: `n` jobs of each row, with new seeds.

        Parameters
        ----------
        n : int
            Number of jobs of each row.
        seed : int, optional
            Makes the new seeds repeatable.

        Examples
        --------
        >>> len(jobs.infinity.renew(3, seed=1))
        6
        """
        return batches.renew(self._frame, n, seed, session)

    def retry(self, *, session: HasOrigin | None = None) -> Frame:
        """Repeat the failed jobs: a jobs frame with fresh seeds.

        Examples
        --------
        >>> len(submitted.infinity.retry())  # nothing failed
        0
        """
        return batches.retry(self._frame, session)
