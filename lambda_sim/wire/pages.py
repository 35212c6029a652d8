"""Which pages in a browser may call what listens on loopback only: those of this machine.

AWS's own emulator answers everyone who reaches it, and who browses the web can be made to: a page
from anywhere may post to 127.0.0.1, and one whose name is bound anew may read the answer, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from lambda_sim.wire.incoming import RequestRefused

SIGNS = frozenset(("HTTP_ACCEPT_LANGUAGE", "HTTP_ORIGIN", "HTTP_REFERER", "HTTP_SEC_FETCH_SITE"))
"""Headers of browsers: a page has no way to leave all of them out, and runtimes no use for any."""

NOBODYS = ("internal", "local", "localdomain", "localhost", "test")
"""Top-level names that nobody can register, so that no page from elsewhere is under them."""


def is_loopback(host: str) -> bool:
    """Whether a numeric address is this machine's own."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def refuse_strangers(environ: Mapping[str, Any]) -> None:
    """Let pass what is no browser's, whatever its Host, and what is of a page of this machine.

    :raises RequestRefused: a page from elsewhere asks, or one that calls this machine by a name
        of its own.
    """
    if SIGNS.isdisjoint(environ):
        return
    name = _name(f"//{environ.get('HTTP_HOST', '')}")
    if name is None or not (name == "" or _is_nobodys(name) or _is_address(name)):
        raise _refused("a browser reaches it by an address, or by a name like localhost")
    origin = environ.get("HTTP_ORIGIN")
    site = environ.get("HTTP_SEC_FETCH_SITE")
    if not (site != "cross-site" if origin is None else _is_own(origin)):
        raise _refused("a page from elsewhere may not call it")


def _is_own(origin: str) -> bool:
    """Whether an origin is of this machine: its pages, and what is no page but a browser's tool."""
    scheme, mark, _ = origin.partition("://")
    if scheme.lower() not in ("http", "https"):
        return mark != ""  # "null" has none
    name = _name(origin)
    return name is not None and (_is_nobodys(name) or is_loopback(name))


def _name(url: str) -> str | None:
    """The host of a URL, in small letters; None where it can't be read."""
    try:
        return (urlsplit(url).hostname or "").removesuffix(".")
    except ValueError:
        return None


def _is_nobodys(name: str) -> bool:
    """Whether nobody can register the name: containers call each other by names without a dot."""
    before, _, last = name.rpartition(".")
    return last in NOBODYS or (name != "" and before == "" and not _is_address(name))


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _refused(why: str) -> RequestRefused:
    return RequestRefused(
        "403 Forbidden", f"this listens on loopback: {why}; bound to another host, anyone may"
    )
