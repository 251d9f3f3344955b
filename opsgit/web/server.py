"""HTTP for the live site, on 127.0.0.1 alone. Other origins, other hosts and slow clients are refused.

Reading needs nothing. Acting needs a secret in the path of the URL, for which the one-time token of the start URL is
exchanged, and a request that comes from a page of this server. There is no cookie: a browser would send it to every
other port of this machine too.
"""

from __future__ import annotations

import hmac
import secrets
import socket
import threading
import time
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from opsgit.domain.refusals import Refused
from opsgit.views.site import message
from opsgit.web.live import Live

HOST = "127.0.0.1"
REQUEST_SECONDS = 15.0  # for a request to arrive whole and for its answer to be taken
CONNECTIONS_MAX, LISTENERS_MAX = 64, 24
BODY_MAX = 256 * 1024
BEAT = 15.0  # seconds between two comments that keep a stream open
FORM = "application/x-www-form-urlencoded"
LOOK = 1.0  # seconds between two looks at the ledger
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with no-referrer, a browser would not say which origin a form comes from
    "Cache-Control": "no-store",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
                               "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
}  # fmt: skip


class Server(ThreadingHTTPServer):
    """The server. `token` is the one-time token, empty if nobody can act; `url` is where to begin.

    :param live: the site.
    :param port: the port; 0 takes a free one.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, live: Live, port: int) -> None:
        super().__init__((HOST, port), Handler)
        self.live = live
        self.token = secrets.token_urlsafe(24) if live.actor else ""
        self.secret = ""  # the first part of the paths of whoever may act, once the token was used
        end = "" if self.server_port == 80 else f":{self.server_port}"  # browsers leave the usual port out
        self.hosts = {f"{name}{end}" for name in (HOST, "localhost")}
        self.listeners = threading.BoundedSemaphore(LISTENERS_MAX)
        self._open = 0  # connections
        self._ends: dict[socket.socket, float] = {}  # when a connection is ended, if it has a limit
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """The URL to begin with."""
        return f"http://{HOST}:{self.server_port}/" + (f"?token={self.token}" if self.token else "")

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread of its own, unless there are too many."""
        with self._lock:
            full = self._open >= CONNECTIONS_MAX
            if not full:
                self._open += 1
                self._ends[request] = time.monotonic() + REQUEST_SECONDS
        if full:
            super().shutdown_request(request)
        else:
            super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        with self._lock:
            self._open -= 1
            self._ends.pop(request, None)
        super().shutdown_request(request)

    def limit(self, request: socket.socket, limited: bool) -> None:
        """Begin the time limit of a connection anew, or end it: while we work, or if it listens for changes."""
        with self._lock:
            self._ends.pop(request, None)
            if limited:
                self._ends[request] = time.monotonic() + REQUEST_SECONDS

    def service_actions(self) -> None:
        """End connections that take too long: a client that sends a byte now and then must not hold a thread."""
        with self._lock:
            late = [one for one, end in self._ends.items() if time.monotonic() > end]
        for one in late:
            with suppress(OSError):  # it has just ended by itself
                one.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing about a client that has gone; anything else is a bug and is told."""
        import sys

        error = sys.exc_info()[1]
        if not isinstance(error, ConnectionError | TimeoutError):
            self.live.say(f"INTERNAL: {type(error).__name__}: {error}")

    def redeem(self, given: str) -> str | None:
        """Return the secret for the one-time token, None if it is not that or was used."""
        with self._lock:
            if not self.token or self.secret or not hmac.compare_digest(given.encode(), self.token.encode()):
                return None
            self.secret = secrets.token_urlsafe(24)
            return self.secret

    def may_act(self, given: str) -> bool:
        """Return whether the first part of a path is the secret."""
        return bool(self.secret) and hmac.compare_digest(given.encode(), self.secret.encode())

    def watch(self, fetch: float, over: threading.Event) -> None:
        """Look at the ledger again and again, and fetch from the remote every so often (0: never)."""
        fetched = time.monotonic()
        while not over.wait(LOOK):
            try:
                if fetch and time.monotonic() - fetched > fetch:
                    self.live.fetch()
                    fetched = time.monotonic()
                self.live.look()
            except Exception as error:  # noqa: BLE001 - it is told, and the next look may succeed
                self.live.say(f"INTERNAL: {type(error).__name__}: {error}")


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server
    server_version, sys_version = "opsgit", ""
    timeout = REQUEST_SECONDS

    def log_message(self, format: str, *args: Any) -> None:
        """Write no log: a URL may hold the token."""

    def do_HEAD(self) -> None:
        """Answer as GET, without the content."""
        self.do_GET()

    def do_GET(self) -> None:
        """Answer with a page, a style sheet, a script, or the stream of changes."""
        if not self._is_here():
            return
        parts = self._parts()
        if parts is None:
            return
        path, query, acting = parts
        if path == "" and "token" in query and self.command == "GET":
            self._begin(query["token"][0])
        elif path == "events":
            self._events(query.get("since", [""])[0])
        else:
            self._page(path or "index.html", acting)

    def _parts(self) -> tuple[str, dict[str, list[str]], bool] | None:
        """Return the path without the secret, the query, and whether the secret was there."""
        try:
            parts = urlsplit(self.path)
            query = parse_qs(parts.query, max_num_fields=20)
        except ValueError:
            self._say(HTTPStatus.BAD_REQUEST, "This is no address.", "")
            return None
        first, _, rest = parts.path.removeprefix("/").partition("/")
        acting = self.server.may_act(first)
        return (rest if acting else parts.path.removeprefix("/")), query, acting

    def _begin(self, given: str) -> None:
        made = self.server.redeem(given)
        if made is None:
            self._say(
                HTTPStatus.FORBIDDEN, "This token was used, or is none.", "Start opsgit serve again for another one."
            )
            return
        self.send_response(HTTPStatus.SEE_OTHER)
        self.send_header("Location", f"/{made}/index.html")
        self._end()

    def _is_here(self) -> bool:
        """Refuse a request that was meant for another host: a name that leads here, such as by DNS rebinding."""
        if self.headers.get("Host", "") in self.server.hosts:
            return True
        self._say(HTTPStatus.MISDIRECTED_REQUEST, "This server answers at its own address only.", f"http://{HOST}")
        return False

    def _page(self, path: str, acting: bool) -> None:
        try:
            self.server.limit(self.connection, False)
            text = self.server.live.page(path, acting)
        except Refused as refused:
            self._say(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                f"{refused.refusal.code}: {refused.refusal.message}",
                refused.refusal.hint,
            )
            return
        if text is None:
            self._say(HTTPStatus.NOT_FOUND, "There is no such page.", "")
            return
        self._send(HTTPStatus.OK, TYPES.get(path[path.rfind(".") :], TYPES[".html"]), text)

    def do_POST(self) -> None:
        """Act: only from a page of this server, and only for whoever has the secret."""
        if not self._is_here():
            return
        parts = self._parts()
        origin = self.headers.get("Origin", "").removeprefix("http://")
        kind = self.headers.get("Content-Type", "").partition(";")[0].strip()
        length = self.headers.get("Content-Length", "")
        if parts is None:
            return
        if parts[0] != "act" or not self.server.live.actor:
            self._say(HTTPStatus.METHOD_NOT_ALLOWED, "Nothing can be done here.", "opsgit serve --act-as NAME")
        elif origin not in self.server.hosts or origin != self.headers.get("Host") or not parts[2]:
            self._say(HTTPStatus.FORBIDDEN, "This did not come from a page of this server, or you may not act.", "")
        elif kind != FORM or not length.isdecimal() or len(length) > 9 or int(length) > BODY_MAX:
            self._say(HTTPStatus.BAD_REQUEST, "This is no form of this site.", "")
        else:
            self._act(self.rfile.read(int(length)), int(length))

    def _act(self, body: bytes, length: int) -> None:
        try:
            found = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=20, errors="strict")
        except ValueError:
            found = {}
        if len(body) < length or not found:  # half of a form could mean something else than the whole
            self._say(HTTPStatus.BAD_REQUEST, "This is no form of this site.", "")
            return
        fields = {name: values[0] for name, values in found.items()}
        self.server.limit(self.connection, False)
        try:
            self.server.live.act(fields)
        except Refused as refused:
            self._say(HTTPStatus.CONFLICT, f"{refused.refusal.code}: {refused.refusal.message}", refused.refusal.hint)
            return
        self.server.live.look()
        self.send_response(HTTPStatus.SEE_OTHER)
        self.send_header("Location", f"/{self.server.secret}/task/{quote(fields['task'], safe='')}.html")
        self._end()

    def _events(self, since: str) -> None:
        """Tell of each move of the ledger since one (server-sent events), until the client goes."""
        if not self.server.listeners.acquire(blocking=False):
            self._say(HTTPStatus.SERVICE_UNAVAILABLE, "Too many pages listen.", "")
            return
        try:
            self.server.limit(self.connection, False)
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", "text/event-stream")
            self._end()
            self._tell(int(since) if since.isdecimal() and len(since) < 10 else self.server.live.number)
        except OSError:
            return  # the page was closed
        finally:
            self.server.listeners.release()

    def _tell(self, since: int) -> None:
        number: int | None = since
        while number is not None and self.command == "GET":
            now = self.server.live.wait(number, BEAT)
            if now is not None:
                self.wfile.write(b"event: moved\ndata: x\n\n" if now != number else b": still here\n\n")
                self.wfile.flush()
            number = now

    def _say(self, status: HTTPStatus, words: str, hint: str) -> None:
        self.close_connection = True
        self._send(status, TYPES[".html"], message(words, hint))

    def _send(self, status: HTTPStatus, kind: str, text: str) -> None:
        content = text.encode("utf-8", "backslashreplace")
        self.server.limit(self.connection, True)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self._end()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _end(self) -> None:
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
