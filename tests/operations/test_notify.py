"""`--webhook`, `--exec` and `--every` of `monitor` and `inbox`: each thing is told once, and failures are told later."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from opsgit.storage import webhook
from tests.conftest import Desk


class Hook:
    """An HTTP server on 127.0.0.1 that keeps what is posted to it; `answers` are used up before it says 204."""

    def __init__(self) -> None:
        self.posts: list[tuple[dict[str, str], Any]] = []
        self.raw: list[bytes] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.raw.append(body)
                outer.posts.append((dict(self.headers), json.loads(body)))
                status, headers = outer.answers.pop(0) if outer.answers else (204, {})
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?token=secret"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    monkeypatch.setattr(webhook, "PAUSES", (0.0, 0.0))
    found = Hook()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture
def trouble(desk: Desk) -> Desk:
    """A desk whose monitor finds one thing."""
    desk.ok("quota", "set", "q_daily", "--limit", "1")
    desk.ok("quota", "use", "q_daily")
    return desk


def test_the_monitor_tells_what_begins_and_ends_once(trouble: Desk, hook: Hook) -> None:
    for _ in range(2):
        assert trouble.run("monitor", "--check-quota", "--webhook", hook.url).exit == 10
    trouble.ok("quota", "set", "q_daily", "--limit", "9")
    assert trouble.run("monitor", "--check-stale", "--webhook", hook.url).exit == 0
    assert trouble.run("monitor", "--webhook", hook.url).exit == 0
    first, second = (body for _, body in hook.posts)
    assert (first["kind"], first["project"], first["event"]["state"]) == ("monitor-event", "demo", "raised")
    assert first["event"]["key"] == "quota:q_daily"
    assert first["text"].startswith("[demo] quota q_daily is exhausted")
    assert second["event"]["state"] == "over"
    assert second["text"].endswith("(over)")
    assert len({head["X-Opsgit-Delivery"] for head, _ in hook.posts}) == 2


def test_the_inbox_tells_each_receiver_once(in_review: Desk, hook: Hook, tmp_path: Path) -> None:
    log = tmp_path / "log"
    program = f"tee -a {log}"
    for _ in range(2):
        in_review.ok("inbox", "--as", "qa", "--webhook", hook.url, "--exec", program)
    in_review.ok("review", "approve", "T-1", "--as", "qa")
    in_review.ok("inbox", "--as", "qa", "--webhook", hook.url, "--exec", program)
    told = [json.loads(line) for line in log.read_text().splitlines()]
    assert [one["event"]["state"] for one in told] == ["raised", "over"]
    assert told == [body for _, body in hook.posts] or [one["event"]["key"] for one in told] == [
        body["event"]["key"] for _, body in hook.posts
    ]
    assert told[0]["event"]["command"] == "opsgit review show T-1 --as qa"


def test_the_signature(trouble: Desk, hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    trouble.run("monitor", "--webhook", hook.url)
    assert "X-Opsgit-Signature" not in hook.posts[0][0]
    monkeypatch.setenv("OPSGIT_WEBHOOK_SECRET", "k")
    trouble.ok("quota", "set", "q_daily", "--limit", "9")
    trouble.run("monitor", "--webhook", hook.url)
    right = hmac.new(b"k", hook.raw[1], hashlib.sha256).hexdigest()
    assert hook.posts[1][0]["X-Opsgit-Signature"] == f"sha256={right}"


@pytest.mark.parametrize(("status", "tries"), [(500, 3), (503, 3), (429, 3), (404, 1), (403, 1)])
def test_a_failure_is_said_and_told_by_the_next_run(trouble: Desk, hook: Hook, status: int, tries: int) -> None:
    hook.answers = [(status, {})] * tries
    result = trouble.run("monitor", "--webhook", hook.url)
    assert result.exit == 9
    assert f"NOT_DELIVERED: http://127.0.0.1: answered {status}" in result.err
    assert "secret" not in result.err
    assert len(hook.posts) == tries
    assert trouble.run("monitor", "--webhook", hook.url).exit == 10
    assert len(hook.posts) == tries + 1


def test_another_try_is_enough(trouble: Desk, hook: Hook) -> None:
    hook.answers = [(500, {}), (502, {})]
    assert trouble.run("monitor", "--webhook", hook.url).exit == 10
    assert len(hook.posts) == 3


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(trouble: Desk, hook: Hook, status: int) -> None:
    other = Hook()
    hook.answers = [(status, {"Location": other.url})]
    result = trouble.run("monitor", "--webhook", hook.url)
    assert result.exit == 9
    assert f"answered {status}, to http://127.0.0.1: give that URL" in result.err
    assert other.posts == []
    other.server.shutdown()
    other.server.server_close()


def test_nobody_listens(trouble: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "PAUSES", (0.0, 0.0))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    result = trouble.run("monitor", "--webhook", f"http://127.0.0.1:{port}/")
    assert result.exit == 9
    assert "NOT_DELIVERED: http://127.0.0.1: " in result.err


@pytest.mark.parametrize("url", ["ftp://x/y", "file:///etc/passwd", "x", "http://", "http://a b/", "http://x:port/",
                                 "http://me:secret@x/", "http://me:secret@x:port/"])  # fmt: skip
def test_urls_that_are_none(desk: Desk, url: str) -> None:
    result = desk.run("monitor", "--webhook", url)
    assert result.err.startswith("opsgit: BAD_VALUE: ")
    assert "secret" not in result.err


@pytest.mark.slow
def test_what_could_not_be_delivered_is_sent_unchanged(trouble: Desk, hook: Hook) -> None:
    hook.answers = [(404, {})]
    assert trouble.run("monitor", "--webhook", hook.url).exit == 9
    trouble.ok("quota", "set", "q_daily", "--limit", "9")
    time.sleep(1.1)  # the clock of events counts seconds
    assert trouble.run("monitor", "--webhook", hook.url).exit == 0
    assert hook.raw[0] == hook.raw[1]
    first, second, third = (head["X-Opsgit-Delivery"] for head, _ in hook.posts)
    assert first == second != third
    assert [body["event"]["state"] for _, body in hook.posts] == ["raised", "raised", "over"]


def test_two_inboxes_at_one_receiver(in_review: Desk, hook: Hook) -> None:
    in_review.ok("task", "add", "--title", "two", "--assign", "dev")
    for name in ("qa", "dev", "qa", "dev"):
        in_review.ok("inbox", "--as", name, "--webhook", hook.url)
    assert [body["event"]["state"] for _, body in hook.posts] == ["raised", "raised"]


@pytest.mark.slow
def test_a_server_that_answers_byte_by_byte(trouble: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "PAUSES", ())
    monkeypatch.setattr(webhook, "TIMEOUT", 0.5)
    ends = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            client, _ = server.accept()
            with client, contextlib.suppress(OSError):
                while not ends.wait(0.1):
                    client.send(b"H")

        thread = threading.Thread(target=drip)
        thread.start()
        result = trouble.run("monitor", "--webhook", f"http://127.0.0.1:{server.getsockname()[1]}/")
        ends.set()
        thread.join()
    assert (result.exit, "no answer in" in result.err) == (9, True)


def test_programs(trouble: Desk, tmp_path: Path) -> None:
    assert trouble.refused("monitor", "--exec", "'open") == "USAGE"
    assert trouble.refused("monitor", "--exec", " ") == "USAGE"
    for program, why in (("/nowhere/x", "missing"), ("sh -c 'echo no >&2; exit 3'", "exit 3: no")):
        result = trouble.run("monitor", "--exec", program)
        assert result.exit == 9
        assert why in result.err
    shell = tmp_path / "a; touch b"
    trouble.run("monitor", "--exec", f"tee '{shell}'")
    assert json.loads(shell.read_text())["event"]["key"] == "quota:q_daily"


def test_a_dry_run_tells_nobody(trouble: Desk, hook: Hook) -> None:
    trouble.run("monitor", "--webhook", hook.url, "--dry-run")
    assert hook.posts == []


@pytest.mark.slow
def test_every(trouble: Desk, tmp_path: Path) -> None:
    assert trouble.refused("monitor", "--every", "soon") == "BAD_VALUE"
    assert trouble.refused("monitor", "--every", "0s") == "USAGE"
    log = tmp_path / "log"
    words = ["-C", str(trouble.path), "monitor", "--every", "1s", "--exec", f"tee -a {log}"]
    running = subprocess.Popen(
        [sys.executable, "-m", "opsgit", *words], stdout=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - a background job ignores it
    )  # fmt: skip
    try:
        for state in ("raised", "over"):
            end = time.monotonic() + 20
            while not (log.exists() and state in log.read_text()) and time.monotonic() < end:
                time.sleep(0.1)
            trouble.run("quota", "set", "q_daily", "--limit", "9")
    finally:
        running.send_signal(signal.SIGINT)
    assert running.wait(20) == 0
    assert [json.loads(line)["event"]["state"] for line in log.read_text().splitlines()] == ["raised", "over"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_every_ends_by_a_signal_while_the_program_runs(trouble: Desk, tmp_path: Path, number: int) -> None:
    begun = tmp_path / "begun"
    words = ["-C", str(trouble.path), "monitor", "--every", "1s", "--exec", f"sh -c 'touch {begun}; sleep 50'"]
    running = subprocess.Popen(
        [sys.executable, "-m", "opsgit", *words], stdout=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - a background job ignores it
    )  # fmt: skip
    end = time.monotonic() + 20
    while not begun.exists() and time.monotonic() < end:
        time.sleep(0.05)
    running.send_signal(number)
    assert running.wait(10) == 0
