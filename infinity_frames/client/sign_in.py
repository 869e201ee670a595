"""Open the pages of an engine in a browser, signed in with a one-time code."""

from __future__ import annotations

import webbrowser

from infinity_frames.client.http import RestClient

__all__ = ["open_pages"]


def open_pages(rest: RestClient, *, browser: bool = True) -> str:
    """Open the pages of a server, signed in as the account of the connection.

    Parameters
    ----------
    rest : RestClient
        The connection; its token is never part of the address.
    browser : bool
        Open a browser here.

    Returns
    -------
    str
        Address of the pages. If no browser was opened, the address that signs in, once.
    """
    address = rest.url + rest.sign_in_path()
    if browser and webbrowser.open(address):
        return f"{rest.url}/"
    return address
