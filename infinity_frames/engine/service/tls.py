"""The certificate with which the engine serves HTTPS."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from infinity_frames.protocol.errors import EngineError

__all__ = ["Certificate"]


@dataclass(frozen=True)
class Certificate:
    """A certificate chain and its private key, both in PEM files.

    Parameters
    ----------
    chain : Path
        The certificate, followed by those of the authorities between it and the root.
    key : Path or None
        The private key without a password; None if it is in the file of the chain.
    """

    chain: Path
    key: Path | None = None

    def check(self) -> None:
        """Load both files, so that an engine does not start with files that it cannot use.

        Raises
        ------
        EngineError
            A file cannot be read, needs a password, or the two do not belong together.
        """

        def refuse_password() -> str:
            raise ValueError("the key needs a password")

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(self.chain, self.key, password=refuse_password)
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
            raise EngineError(
                f"The certificate {self.chain} with the key {self.key or self.chain} cannot be "
                f"used: {reason}.",
                advice="Give PEM files that belong together with --tls-cert and --tls-key; the key "
                "must have no password.",
            ) from None
