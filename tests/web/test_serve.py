"""`serve`: the live site over real HTTP, and attacks on it."""

from __future__ import annotations

import http.client
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from opsgit.operations import sights
from opsgit.operations import site as site_values
from opsgit.web import server as web
from opsgit.web.live import Live
from opsgit.web.server import Server
from tests.conftest import Desk, git

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Site:
    """A server in this process, and requests to it."""

    def __init__(self, desk: Desk, actor: str | None) -> None:
        self.said: list[str] = []
        self.live = Live(desk.path, actor, self.said.append)
        self.server = Server(self.live, 0)
        self.port, self.secret = self.server.server_port, ""
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.server.serve_forever, args=(0.05,)),
                        threading.Thread(target=self.server.watch, args=(0, self.over))]  # fmt: skip
        for one in self.threads:
            one.start()

    def close(self) -> None:
        self.over.set()
        self.live.stop()
        self.server.shutdown()
        for one in self.threads:
            one.join()
        self.server.server_close()
        self.live.close()

    def ask(
        self, path: str, method: str = "GET", body: str | None = None, **headers: str
    ) -> tuple[int, dict[str, str], str]:
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        line.putrequest(method, path, skip_host="Host" in named)
        for name, value in named.items():
            line.putheader(name, value)
        if body is not None and "Content-Length" not in named:
            line.putheader("Content-Length", str(len(body)))
        line.endheaders(body.encode() if body is not None else None)
        answer = line.getresponse()
        told = answer.status, dict(answer.getheaders()), answer.read().decode()
        line.close()
        return told

    def begin(self) -> None:
        """Exchange the token for the secret."""
        status, headers, _ = self.ask(self.server.url.removeprefix(f"http://127.0.0.1:{self.port}"))
        found = re.fullmatch(r"/([A-Za-z0-9_-]{32})/index.html", headers["Location"])
        assert (status, bool(found), "Set-Cookie" in headers) == (303, True, False)
        self.secret = f"/{found[1]}" if found else ""

    def act(self, *, origin: str | None = None, **fields: str) -> tuple[int, dict[str, str], str]:
        there = origin or f"http://127.0.0.1:{self.port}"
        return self.ask(
            f"{self.secret}/act", "POST", urlencode(fields), Origin=there, Content_Type=FORM["Content-Type"]
        )


@contextmanager
def serving(desk: Desk, actor: str | None = None) -> Iterator[Site]:
    site = Site(desk, actor)
    try:
        yield site
    finally:
        site.close()


def test_pages_follow_the_ledger(in_review: Desk) -> None:
    with serving(in_review) as site:
        status, headers, text = site.ask("/")
        assert status == 200
        assert "1 open" in text
        assert site.ask("/index.html")[2] == text
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert headers["Referrer-Policy"] == "same-origin"
        in_review.ok("task", "add", "--title", "a new one")
        assert "2 open" in site.ask("/index.html")[2]
        assert "a new one" in site.ask("/task/T-2.html")[2]
        for path, kind in (
            ("/site.css", "text/css"),
            ("/site.js", "text/javascript"),
            ("/list/backlog.html", "text/html"),
        ):
            status, headers, _ = site.ask(path)
            assert (status, headers["Content-Type"].partition(";")[0]) == (200, kind)
        assert site.ask("/", "HEAD")[2] == ""
        assert site.said == []


@pytest.mark.slow
def test_a_listener_is_told(in_review: Desk) -> None:
    with serving(in_review) as site, socket.create_connection(("127.0.0.1", site.port), timeout=20) as line:
        since = re.search(r"events\?since=([0-9]+)", site.ask("/")[2])
        assert since
        line.sendall(f"GET /events?since={since[1]} HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\n\r\n".encode())
        stream = line.makefile("rb")
        while stream.readline().strip():
            pass
        time.sleep(1.5)
        in_review.ok("task", "add", "--title", "x")
        told = stream.readline()
        while not told.startswith(b"event"):
            told = stream.readline()
        assert told == b"event: moved\n"


@pytest.mark.parametrize("path", ["/../state.json", "/..%2f..%2fetc/passwd", "//etc/passwd", "/task/../../x.html", "/.git/config",
                                  "/task/T-9.html", "/task/%00.html", "/x", "/site.css/../x", "http://evil.example/"])  # fmt: skip
def test_there_is_no_other_file(in_review: Desk, path: str) -> None:
    with serving(in_review) as site:
        status, _, text = site.ask(path)
        assert status in (404, 421)
        assert "root:" not in text and "[core]" not in text


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "localhost", "127.0.0.1:1", "evil.example:{port}", "", "[::1]:{port}"]
)
def test_another_host_is_refused(in_review: Desk, host: str) -> None:
    """A page of evil.example whose name was made to lead here cannot read anything (DNS rebinding)."""
    with serving(in_review, "qa") as site:
        status, _, text = site.ask("/", Host=host.format(port=site.port))
        assert (status, "T-1" in text) == (421, False)
        assert site.ask("/act", "POST", "", Host=host.format(port=site.port))[0] == 421


def test_the_token_is_for_once_and_stays_out_of_sight(in_review: Desk) -> None:
    with serving(in_review, "qa") as site:
        path = site.server.url.removeprefix(f"http://127.0.0.1:{site.port}")
        assert site.ask("/?token=wrong")[0] == 403
        assert site.ask("/?token=%ff%00")[0] == 403
        assert site.ask(path, "HEAD")[0] == 200, "it is not used up by looking"
        status, headers, _ = site.ask(path)
        assert status == 303
        assert headers["Referrer-Policy"] == "same-origin"
        assert site.ask(path)[0] == 403, "it was used"
        token = path.partition("=")[2]
        for page in ("/", "/task/T-1.html"):
            assert token not in site.ask(page)[2]


def test_without_act_as_nothing_can_be_done(in_review: Desk) -> None:
    with serving(in_review) as site:
        assert "token" not in site.server.url
        assert site.ask("/?token=x")[0] == 403
        assert site.act(op="review.approve", task="T-1", version="1")[0] == 405
        assert "<form method" not in site.ask("/task/T-1.html")[2]
    assert in_review.status() == "review"


def test_a_person_reviews_from_the_page(in_review: Desk) -> None:
    with serving(in_review, "qa") as site:
        assert "<form method" not in site.ask("/task/T-1.html")[2], "without the secret it is for reading"
        site.begin()
        text = site.ask(f"{site.secret}/task/T-1.html")[2]
        assert "Act as qa" in text and "Approve" in text and "Reject" in text
        status, headers, _ = site.act(op="review.comment", task="T-1", version="1", text="why?\r\nhow?", blocking="yes")
        assert (status, headers["Location"]) == (303, f"{site.secret}/task/T-1.html")
        status, _, text = site.act(op="review.approve", task="T-1", version="1")
        assert (status, "THREAD_OPEN" in text) == (409, True)
        assert site.act(op="review.resolve", task="T-1", version="1", thread="1-1")[0] == 303
        assert site.act(op="review.approve", task="T-1", version="1", text="fine")[0] == 303
        assert "Approve" not in site.ask(f"{site.secret}/task/T-1.html")[2]
        assert site.act(op="task.comment", task="T-1", text="well done")[0] == 303
        assert site.said == []
    assert in_review.status() == "done"
    last = in_review.ok("history", "T-1", "--all", "--json").json["history"][-1]
    assert (last["by"], last["op"]) == ("qa", "task.comment")
    assert in_review.ok("verify").exit == 0


def test_a_verdict_is_on_what_was_shown(in_review: Desk, output: Path) -> None:
    with serving(in_review, "qa") as site:
        site.begin()
        site.ask(f"{site.secret}/task/T-1.html")
        (output / "result.txt").write_text("other\n")
        in_review.ok("review", "revise", "T-1", "--output", str(output), "--as", "dev")
        status, _, text = site.act(op="review.approve", task="T-1", version="1")
        assert (status, "STALE" in text) == (409, True)
        site.ask(f"{site.secret}/task/T-1.html")
        assert site.act(op="review.approve", task="T-1", version="1.1")[0] == 303


def test_forms_of_others_are_refused(in_review: Desk) -> None:
    with serving(in_review, "qa") as site:
        site.begin()
        right = {"op": "review.approve", "task": "T-1", "version": "1"}
        for origin in (
            "http://evil.example",
            "null",
            f"https://127.0.0.1:{site.port}",
            f"http://localhost:{site.port}",
            "http://127.0.0.1",
        ):
            assert site.act(origin=origin, **right)[0] == 403, origin
        body, own = urlencode(right), f"http://127.0.0.1:{site.port}"
        kind, act = FORM["Content-Type"], f"{site.secret}/act"
        assert site.ask(act, "POST", body, Content_Type=kind)[0] == 403, "no Origin"
        assert site.ask(act, "POST", body, Origin=own, Content_Type="text/plain")[0] == 400
        for path in ("/act", "/x/act", "//act", f"/{'x' * 32}/act"):
            status = site.ask(path, "POST", body, Origin=own, Content_Type=kind, Cookie=f"opsgit={site.secret}")[0]
            assert status in (403, 405), path
        for fields, status in (({"op": "x", "task": "T-1"}, 409), ({"op": "review.approve", "task": "../x"}, 409),
                               ({"op": "task.cancel", "task": "T-1"}, 409), ({}, 400)):  # fmt: skip
            assert site.act(**fields)[0] == status, fields
        for odd in ("%ff=" + "&a=" * 50, "text=a%ED%A0%80b&" + body):
            assert site.ask(act, "POST", odd, Origin=own, Content_Type=kind)[0] == 400
        assert site.ask(act, "POST", body, Origin=own, Content_Type=kind, Content_Length="9" * 5000)[0] == 400
        assert site.ask(act, "PUT", "x")[0] == 501
    assert in_review.status() == "review"


def test_half_of_a_form_does_nothing(in_review: Desk) -> None:
    with serving(in_review, "qa") as site, socket.create_connection(("127.0.0.1", site.port), timeout=20) as line:
        site.begin()
        body = b"task=T-1&op=review.comment&version=1&text=I+approve+nothing"
        head = f"POST {site.secret}/act HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\nOrigin: http://127.0.0.1:{site.port}\r\n"
        line.sendall(f"{head}Content-Type: {FORM['Content-Type']}\r\nContent-Length: 200\r\n\r\n".encode() + body)
        line.shutdown(socket.SHUT_WR)
        assert b" 400 " in line.makefile("rb").readline()
    assert "approve nothing" not in in_review.ok("review", "show", "T-1").out


@pytest.mark.parametrize("path", ["http://[", "/events?since=" + "9" * 5000, "/?" + "a&" * 500])
def test_odd_requests_are_answered(in_review: Desk, path: str) -> None:
    with serving(in_review) as site:
        if path.startswith("/events"):
            with socket.create_connection(("127.0.0.1", site.port), timeout=20) as line:
                line.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\n\r\n".encode())
                assert b" 200 " in line.makefile("rb").readline()
        else:
            assert site.ask(path, Host=f"127.0.0.1:{site.port}")[0] in (200, 400)
        assert site.ask("/site.css")[0] == 200
        assert site.said == []


def test_what_is_shown_is_what_is_judged(in_review: Desk, output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version that comes while a page is made is not the one in the page's form."""
    real = site_values.page

    def slow(*given: Any) -> Any:
        found = real(*given)
        (output / "result.txt").write_text("other\n")
        in_review.ok("review", "revise", "T-1", "--output", str(output), "--as", "dev")
        monkeypatch.setattr(site_values, "page", real)
        return found

    with serving(in_review, "qa") as site:
        site.begin()
        monkeypatch.setattr(site_values, "page", slow)
        text = site.ask(f"{site.secret}/task/T-1.html")[2]
        assert set(re.findall('name="version" value="([^"]*)"', text)) == {"1"}
        assert site.act(op="review.approve", task="T-1", version="1")[0] == 409
    assert in_review.status() == "review"


def test_looking_at_a_page_is_no_look_of_the_agent(in_review: Desk) -> None:
    """A page loads itself again; `review approve` at the command line must not take that for a look."""
    with serving(in_review, "qa") as site:
        site.begin()
        site.ask(f"{site.secret}/task/T-1.html")
    session = in_review.session("qa")
    assert sights.last(session, "qa", session.look("T-1").task("T-1")) is None
    session.repository.close()


@pytest.mark.slow
def test_a_watcher_survives_what_it_stumbles_on(in_review: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(in_review) as site:
        with monkeypatch.context() as patch:
            patch.setattr(site.live, "look", lambda: 1 / 0)
            time.sleep(1.5)
        number = site.live.number
        in_review.ok("task", "add", "--title", "x")
        end = time.monotonic() + 10
        while site.live.number == number and time.monotonic() < end:
            time.sleep(0.05)
        assert site.live.number > number
        assert site.said and "ZeroDivisionError" in site.said[0]


@pytest.mark.slow
def test_a_fetch_that_hangs_keeps_no_page_waiting(in_review: Desk, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        git(in_review.path, "remote", "add", "origin", f"http://127.0.0.1:{silent.getsockname()[1]}/x.git")
        with serving(in_review) as site:
            fetching = threading.Thread(target=site.live.fetch, daemon=True)
            fetching.start()
            begun = time.monotonic()
            assert site.ask("/index.html")[0] == 200
            assert time.monotonic() - begun < 5
            silent.close()
            fetching.join(60)
            assert site.said and "UNREACHABLE" in site.said[0]


def test_a_review_at_the_remote_is_a_change(in_review: Desk) -> None:
    with serving(in_review) as site:
        number = site.live.number
        git(in_review.path, "update-ref", "refs/remotes/origin/review/T-1", "refs/heads/review/T-1")
        site.live.look()
        assert site.live.number == number + 1


def test_who_may_not_approve_is_offered_nothing(in_review: Desk) -> None:
    in_review.ok("review", "comment", "T-1", "--text", "why?", "--blocking", "--as", "qa")
    with serving(in_review, "dev") as site:
        site.begin()
        text = site.ask(f"{site.secret}/task/T-1.html")[2]
        assert "Act as dev" in text and "Answer" in text
        assert not {"Approve", "Reject", "Resolve"} & set(re.findall("<button>(.*?)</button>", text))
        status, _, text = site.act(op="review.approve", task="T-1", version="1")
        assert (status, "SELF_REVIEW" in text) == (409, True)


@pytest.mark.slow
def test_slow_clients_keep_nobody_waiting(in_review: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "REQUEST_SECONDS", 2.0)
    monkeypatch.setattr(web, "CONNECTIONS_MAX", 8)
    with serving(in_review) as site, ExitStack() as stack:
        lines = [stack.enter_context(socket.create_connection(("127.0.0.1", site.port))) for _ in range(8)]
        end = time.monotonic() + 20
        status = 0
        while status != 200 and time.monotonic() < end:
            for line in lines:
                try:
                    line.sendall(b"G")  # a byte now and then
                except OSError:
                    continue
            try:
                status = site.ask("/site.css")[0]
            except (OSError, http.client.HTTPException):
                time.sleep(0.2)
        assert status == 200, "their connections were ended"


@pytest.mark.slow
def test_the_command(in_review: Desk, tmp_path: Path) -> None:
    words = ["-C", str(in_review.path), "serve", "--port", "0", "--act-as", "qa"]
    for number in (signal.SIGINT, signal.SIGTERM):
        with subprocess.Popen(
            [sys.executable, "-m", "opsgit", *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - a background job ignores it
        ) as running:  # fmt: skip
            assert running.stdout
            url = running.stdout.readline().strip()
            assert re.fullmatch(r"http://127\.0\.0\.1:[0-9]+/\?token=[A-Za-z0-9_-]{32}", url)
            port = url.split(":")[2].split("/")[0]
            with pytest.raises(OSError):
                socket.create_connection(("127.0.0.2", int(port)), timeout=2)
            assert in_review.refused("serve", "--port", port) == "BUSY"
            running.send_signal(number)
            assert running.wait(15) == 0


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("chromium"), reason="needs Debian's chromium")
def test_in_a_browser(in_review: Desk) -> None:
    from playwright.sync_api import sync_playwright

    from tests.views.test_browser import violations

    with serving(in_review, "qa") as site, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.goto(site.server.url)
        assert re.fullmatch(rf"http://127.0.0.1:{site.port}/[A-Za-z0-9_-]+/index.html", page.url)
        page.click("text=T-1")
        page.wait_for_selector("text=Act as qa")
        assert violations(page) == []
        page.fill("textarea >> nth=0", "looks right")
        in_review.ok("task", "add", "--title", "meanwhile")
        page.wait_for_timeout(2500)
        assert page.input_value("textarea >> nth=0") == "looks right", "what one writes is not lost"
        page.click("button:has-text('Approve')")
        page.wait_for_selector("text=approved by qa")
        page.goto(f"http://127.0.0.1:{site.port}/board.html")
        in_review.ok("task", "add", "--title", "one more")
        page.wait_for_selector("text=one more", timeout=10_000)
        assert said == []
        browser.close()
    assert in_review.status() == "done"


def test_what_the_command_refuses(in_review: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert in_review.refused("serve", "--act-as", "nobody") == "NOT_FOUND"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert in_review.refused("serve", "--port", str(taken.getsockname()[1])) == "BUSY"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "elsewhere"))
    assert in_review.refused("serve", "--act-as", "qa") == "KEY_MISSING"
