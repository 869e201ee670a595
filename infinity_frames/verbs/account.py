"""Methods of a session on its account: batches, usage, balance, the engine's pages."""

from __future__ import annotations

from typing import Any

import pandas as pd

from infinity_frames.client.batch_frames import conformed
from infinity_frames.client.lookup import last_days
from infinity_frames.client.origin import Origin
from infinity_frames.client.sign_in import open_pages
from infinity_frames.frame import Frame, as_frame
from infinity_frames.protocol.errors import RequestRejected

__all__ = ["Account"]


class Account:
    """Methods of a Session on what its account has and did."""

    origin: Origin

    def get_batches_last_n_days(self, n: float) -> Frame:
        """List the batches of the last `n` days: batch_id, batch_name, created; oldest first.

        Examples
        --------
        >>> session.get_batches_last_n_days(1)[["batch_id", "batch_name"]]
        """
        columns = {"batch_id": "id", "batch_name": "name", "created": "created"}
        listed = self.origin.rest.batches(*last_days(n))
        found = {column: [row.get(key) for row in listed] for column, key in columns.items()}
        return as_frame(conformed(pd.DataFrame(found, dtype="object"))[[*columns]])

    def get_usage_stats_last_n_days(self, n: float) -> Frame:
        """Count samples and jobs per generator in the last `n` days.

        Examples
        --------
        >>> session.get_usage_stats_last_n_days(1)
        """
        counts = self.origin.rest.counts(*last_days(n))
        frame = pd.DataFrame([{"generator": name, **count} for name, count in counts.items()])
        first = ["generator", "samples", "jobs"]
        frame = frame.reindex(columns=[*first, *(c for c in frame.columns if c not in first)])
        return as_frame(frame.astype({"generator": "string", "samples": "Int64", "jobs": "Int64"}))

    def account(self) -> dict[str, Any]:
        """Return samples that the account has left (None if unmetered) and has reserved.

        Raises
        ------
        RequestRejected
            The server does not report it.

        Examples
        --------
        >>> session.account()["samples_remaining"]
        """
        if not self.origin.rest.has("account"):
            raise RequestRejected(
                f"{self.origin.server} does not report what an account has left.",
                advice="Contact the server's administrator.",
            )
        return self.origin.rest.account()

    def open(self, *, browser: bool = True) -> str:
        """Open the engine's pages in a browser, signed in as this account.

        Parameters
        ----------
        browser : bool
            Open a browser on this machine. Without it, only the address is returned; it signs in
            one browser, within two minutes.

        Returns
        -------
        str
            Address of the pages; with ``browser=False`` the address that signs in.

        Raises
        ------
        RequestRejected
            The server has no pages.

        Examples
        --------
        ::

            inf.Session("visionfit").open()
        """
        return open_pages(self.origin.rest, browser=browser)
