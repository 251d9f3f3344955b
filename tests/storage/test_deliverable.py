"""Deliverables: the digest that coreutils gives, and everything that is refused."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from opsgit.domain.refusals import Refused
from opsgit.storage import deliverable
from tests.conftest import git

COREUTILS = "find . -type f | sed 's#^\\./##' | LC_ALL=C sort | xargs -d '\\n' sha256sum | openssl dgst -sha256 -binary | base64"


def refused(path: Path) -> str:
    with pytest.raises(Refused) as caught:
        deliverable.digest(path)
    assert caught.value.refusal.message and caught.value.refusal.hint
    return caught.value.refusal.code


def test_the_digest_is_what_coreutils_give(output: Path) -> None:
    (output / "b c").mkdir()
    (output / "b c" / "é.txt").write_text("x")
    (output / "b-d").write_bytes(b"\0\xff" * 1000)
    (output / "A").write_text("")
    theirs = subprocess.run(["bash", "-c", COREUTILS], cwd=output, capture_output=True, text=True, check=True).stdout
    assert deliverable.digest(output) == "h1:" + theirs.strip()


def test_a_single_file_is_a_folder_that_holds_it_alone(output: Path) -> None:
    assert deliverable.digest(output / "result.txt") == deliverable.digest(output)


def test_the_recipe_is_in_the_help() -> None:
    from opsgit.cli.help import text

    assert COREUTILS.replace("find", "cd FOLDER; find") in text("format")


def test_a_missing_and_an_empty_one(tmp_path: Path) -> None:
    assert refused(tmp_path / "no") == "DELIVERABLE_MISSING"
    (tmp_path / "empty").mkdir()
    assert refused(tmp_path / "empty") == "DELIVERABLE_MISSING"


def test_symlinks_are_never_followed(output: Path) -> None:
    (output / "link").symlink_to("result.txt")
    assert refused(output) == "DELIVERABLE_UNSAFE"
    assert refused(output / "link") == "DELIVERABLE_UNSAFE"
    (output / "link").unlink()
    (output / "folder").symlink_to("/etc")
    assert refused(output) == "DELIVERABLE_UNSAFE"
    (output / "folder").unlink()
    (output.parent / "way").symlink_to(output)
    assert refused(output.parent / "way") == "DELIVERABLE_UNSAFE"


def test_pipes_sockets_and_odd_names_are_no_deliverables(output: Path) -> None:
    os.mkfifo(output / "pipe")
    assert refused(output) == "DELIVERABLE_UNSAFE"
    (output / "pipe").unlink()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(output / "s"))
        assert refused(output) == "DELIVERABLE_UNSAFE"
    (output / "s").unlink()
    (output / "a\nb").write_text("x")
    assert refused(output) == "DELIVERABLE_UNSAFE"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody who may not read the file")
@pytest.mark.parametrize("bit", [0o4000, 0o2000, 0o1000])
def test_bits_that_no_digest_covers(output: Path, bit: int) -> None:
    (output / "result.txt").chmod(0o755 | bit)
    assert refused(output) == "DELIVERABLE_UNSAFE"
    (output / "result.txt").chmod(0o755)
    assert deliverable.digest(output)


def test_an_empty_folder_that_no_digest_covers(output: Path) -> None:
    (output / "a/b").mkdir(parents=True)
    assert refused(output) == "DELIVERABLE_UNSAFE"
    (output / "a/b/file").touch()
    assert deliverable.digest(output)


def test_an_unreadable_one(tmp_path: Path) -> None:
    secret = Path("/tmp") / f"opsgit-unreadable-{os.getpid()}"
    secret.write_text("x")
    secret.chmod(0o000)
    script = (
        "import os, sys\nfrom pathlib import Path\nfrom opsgit.storage import deliverable\n"
        "from opsgit.domain.refusals import Refused\nos.setuid(65534)\n"
        "try:\n    deliverable.digest(Path(sys.argv[1]))\nexcept Refused as refused:\n    print(refused.refusal.code)\n"
    )
    try:
        done = subprocess.run([sys.executable, "-c", script, str(secret)], capture_output=True, text=True, check=False)
    finally:
        secret.unlink()
    assert done.stdout.strip() == "DELIVERABLE_MISSING", done.stderr


def test_one_that_changes_while_it_is_read(output: Path) -> None:
    big, stop = output / "big", threading.Event()
    big.write_bytes(b"x" * 30_000_000)

    def write() -> None:
        with big.open("ab") as file:
            while not stop.is_set():
                file.write(b"more")
                file.flush()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert refused(output) == "DELIVERABLE_UNSTABLE"
    finally:
        stop.set()
        writer.join()


def test_a_workspace_holds_its_deliverables(tmp_path: Path, output: Path) -> None:
    assert deliverable.recorded(output, str(tmp_path)) == "output"
    assert deliverable.recorded(output, None) == str(output)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "way").symlink_to(output)
    for path in (tmp_path, tmp_path / "in" / ".." / "output", tmp_path / "in" / "way" / "result.txt"):
        with pytest.raises(Refused) as caught:
            deliverable.recorded(path, str(tmp_path / "in"))
        assert caught.value.refusal.code == "DELIVERABLE_OUTSIDE"


def test_a_commit_must_exist_where_it_is_said_to_be(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "code")
    code = tmp_path / "code"
    who = ["-c", "user.name=x", "-c", "user.email=x@x"]
    git(code, *who, "commit", "-q", "--allow-empty", "-m", "x")
    commit = git(code, "rev-parse", "HEAD").strip()
    assert deliverable.commit_digest("HEAD", code) == f"git:{commit}"
    for name in ("f" * 40, "--help", "nope"):
        with pytest.raises(Refused) as caught:
            deliverable.commit_digest(name, code)
        assert caught.value.refusal.code == "DELIVERABLE_MISSING"
