"""Templates, static files and security headers, shared by the engine's pages and the explorer."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

__all__ = ["NOTEBOOKS", "job_code", "render", "security_headers", "static_file"]

_STATIC = Path(__file__).parent / "static"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
NOTEBOOKS = (
    "http://localhost:* http://127.0.0.1:* https://localhost:* https://127.0.0.1:* vscode-webview:"
)
"""Pages that may show the explorer in an iframe: notebooks on this machine."""


def render(template: str, **values: Any) -> bytes:
    """Render a template as HTML; every value is escaped, so texts of others stay texts."""
    return _environment().get_template(template).render(values).encode()


def job_code(session: str, batch_id: str, job_id: str, sweep: str | None) -> str:
    """Return Python that makes more of a job.

    Parameters
    ----------
    session : str
        Lines that define ``session``.
    batch_id, job_id : str
        The job.
    sweep : str or None
        Arguments of ``sweep()``, None if the generator has no parameter to sweep.
    """
    lines = [
        session,
        f"jobs = session.batch_from_api({batch_id!r}).frame",
        f'job = jobs[jobs["job_id"] == {job_id!r}]',
        "",
        "# the same job again",
        "again = job.infinity.seeded()",
    ]
    if sweep is not None:
        lines += ["# the same scene with other values", f"sweep = job.infinity.sweep({sweep})"]
    return "\n".join(lines)


def static_file(name: str) -> tuple[bytes, str] | None:
    """Return content and media type of a script or style sheet, None if it does not exist."""
    kind = _TYPES.get(Path(name).suffix)
    if kind is None or name != Path(name).name:
        return None
    try:
        return (_STATIC / name).read_bytes(), kind
    except FileNotFoundError:
        return None


def security_headers(ancestors: str = "'none'") -> dict[str, str]:
    """Return headers that keep foreign code out and the page's data in.

    Parameters
    ----------
    ancestors : str
        Pages that may show this one in a frame, in the syntax of ``frame-ancestors``.
    """
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
        "media-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
        f"frame-ancestors {ancestors}"
    )
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-store",
    }


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("infinity_frames.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = lambda value: "any" if value is None else f"{value:g}"
    return environment
