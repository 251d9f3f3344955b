"""Post JSON to a URL: with a time limit, a few tries, no redirects, and a signature if there is a secret."""

from __future__ import annotations

import hashlib
import hmac
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException, HTTPMessage
from typing import IO
from urllib.parse import urlsplit

from opsgit.domain.refusals import refuse

TIMEOUT = 10.0  # seconds without an answer, and for the whole of one try
PAUSES = (1.0, 3.0)  # seconds before the second and the third try
AGAIN = (408, 425, 429)  # answers after which another try may succeed, beside those of 500 and more


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follow no redirect: a host could send what we post to an address that only this machine can reach."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


def check(url: str) -> str:
    """Return a URL that can be posted to.

    :raises Refused: `BAD_VALUE`.
    """
    try:
        parts = urlsplit(url)
        fits = (
            parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc
        )
    except ValueError:
        fits = False
    if not fits or not url.isascii() or any(char.isspace() for char in url):
        why = "the webhook is no http or https URL, or has a user's name in it"  # it may hold a secret: it is not shown
        refuse("BAD_VALUE", why, "--webhook https://host/path", "webhook")
    return url


def shown(url: str) -> str:
    """Return a URL without its path and query, which may hold a secret."""
    return f"{urlsplit(url).scheme}://{urlsplit(url).hostname}"


def post(url: str, body: bytes, headers: Mapping[str, str], secret: str = "") -> None:
    """Post a body of JSON, at most three times.

    :param secret: the key of the HMAC-SHA256 in the header `X-Opsgit-Signature`; empty: no such header.
    :raises Refused: `NOT_DELIVERED` if no try is answered with 2xx.
    """
    sent = {"Content-Type": "application/json", "User-Agent": "opsgit", **headers}
    if secret:
        sent["X-Opsgit-Signature"] = f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"
    why = ""
    for pause in (*PAUSES, None):
        why, again = _try(url, body, sent)
        if not why:
            return
        if not again or pause is None:
            break
        time.sleep(pause)
    refuse("NOT_DELIVERED", f"{shown(url)}: {why}", "look at the URL; what was not delivered is sent by the next run")


def _moved(place: str | None) -> str:
    try:
        return f", to {shown(place)}: give that URL" if place else ""
    except ValueError:  # the server sent no URL
        return ""


def _try(url: str, body: bytes, headers: Mapping[str, str]) -> tuple[str, bool]:
    """Try once, in a thread: a server that sends one byte now and then would keep a socket's time limit from ending."""
    result: list[tuple[str, bool]] = []
    thread = threading.Thread(target=lambda: result.append(_once(url, body, headers)), daemon=True)
    thread.start()
    thread.join(TIMEOUT)
    return result[0] if result else (f"no answer in {TIMEOUT:.0f} seconds", True)


def _once(url: str, body: bytes, headers: Mapping[str, str]) -> tuple[str, bool]:
    """Return why a try failed, empty if it did not, and whether another one may succeed."""
    request = urllib.request.Request(url, body, dict(headers), method="POST")  # noqa: S310 - `check` has seen the scheme
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=TIMEOUT) as answer:
            answer.read(1 << 16)
        return "", False
    except urllib.error.HTTPError as error:
        with error:
            moved = _moved(error.headers.get("Location"))
            return f"answered {error.code}{moved}", error.code >= 500 or error.code in AGAIN
    except (OSError, HTTPException, ValueError) as error:
        return str(getattr(error, "reason", error)) or type(error).__name__, True
