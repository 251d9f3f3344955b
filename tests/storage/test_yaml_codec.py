"""The safe core is all that is read, and the canonical form is the only one that is written."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from opsgit.domain import canonical, text
from opsgit.domain.refusals import Refused
from opsgit.storage import canonical_reader, yaml_codec
from tests.views.golden import BUNDLE

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60).filter(lambda t: not text.FORBIDDEN.search(t))
TRICKY = st.sampled_from(
    ["yes", "No", "~", "null", "1", "0x1f", "0o7", "1e3", ".5", "-", "- a", "a: b", "a #b", "#", "", " ", "a ", " a", "|", ">",
     "a\nb", "a\n", "\na", "a\n\n", "a\n b", " a\nb", "a \nb", "\t", "a\tb", "a\n\tb", "*a", "&a", "!a", "%a", "@a", "`a", "'", '"',
     "\\", "\\n", "2026-01-01", "12:30:00", "{}", "[]", "...", "---", "é", "🎉", "a: ", "=", "<<", "?", "a:b", "→", "\n", "a\n---\nb",
     "true", "TRUE", "+1", "1_000", "0b1", "inf", ".inf", ".nan", "a\n#b", "key: |", "x" * 300]
)  # fmt: skip
STRINGS = st.one_of(TEXTS, TRICKY)
SCALARS = st.one_of(STRINGS, st.integers(-(2**53), 2**53), st.booleans(), st.none(), st.floats(-1e15, 1e15))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(STRINGS, inner, max_size=4)),
    max_leaves=12,
)
RECORDS = st.dictionaries(st.sampled_from(["id", "title", "a-b", "tags", "x"]), VALUES, max_size=5, min_size=1)


def plain_lists(value: Any) -> bool:
    """Lists of lists and odd keys are not in any schema; the emitter knows mappings and lists of scalars or mappings."""
    if isinstance(value, list):
        return all(not isinstance(item, list) and plain_lists(item) for item in value)
    if isinstance(value, dict):
        return all(
            "\n" not in key and key != "<<" and len(key) < 120 and plain_lists(item) for key, item in value.items()
        )
    return True


@given(RECORDS.filter(plain_lists))
def test_what_is_emitted_is_read_back(record: dict[str, Any]) -> None:
    content = canonical.emit("task", record)
    assert yaml_codec.parse(content, "x") == record
    assert canonical.emit("task", yaml_codec.parse(content, "x")) == content


@given(RECORDS.filter(plain_lists))
def test_any_yaml_1_2_reader_sees_the_same(record: dict[str, Any]) -> None:
    content = canonical.emit("task", record)
    assert YAML(typ="safe", pure=True).load(content.decode()) == record


OUTSIDE: list[tuple[bytes, str]] = [
    (b"a: &x 1\nb: *x\n", "anchors"),
    (b"a: *x\n", "anchors"),
    (b"a: !!int 1\n", "tags"),
    (b"a: !python/object:os.system x\n", "tags"),
    (b"a: 1\na: 2\n", "twice"),
    (b"x:\n  a: 1\n  a: 2\n", "twice"),
    (b"<<: {a: 1}\n", "merge"),
    (b"a: " + b"9" * 5000 + b"\n", "2^53"),
    (b"a: 9007199254740993\n", "2^53"),
    (b"a: 0x" + b"f" * 100 + b"\n", "2^53"),
    (b"a: .inf\n", "number"),
    (b"a: .nan\n", "number"),
    (b"a: " + b"[" * 5000 + b"]" * 5000, "deeper"),
    (b"a: " + b"[" * 13 + b"]" * 13, "deeper"),
    (b"a: x\0y\n", "character"),
    (b"a: \x1b[31m\n", "character"),
    (b"\xef\xbb\xbfa: 1\n", "character"),
    ("a: \u202eevil\n".encode(), "character"),
    ("a: \u2028\n".encode(), "character"),
    (b'a: "\\u202e"\n', "escape"),
    (b'a: "\\0"\n', "escape"),
    (b'a: "\\u2028"\n', "escape"),
    (b'a: "\\x1b"\n', "escape"),
    (b"a: \xff\n", "UTF-8"),
    ("a: \ud800\n".encode("utf-8", "surrogatepass"), "UTF-8"),
    (b"a: 1\r\nb: 2\r\n", "character"),
    (b"%YAML 1.1\n---\na: 1\n", "directives"),
    (b"a: 1\n---\nb: 2\n", "one document"),
    (b"", "one document"),
    (b"- a\n", "mapping"),
    (b"just words\n", "mapping"),
    (b"a: [1, 2\n", "not YAML"),
    (b"a: b: c\n", "not YAML"),
    (b"1: a\n", "key"),
    (b"? [a]\n: b\n", "key"),
    (b"a: " + b"x" * 262_144, "KiB"),
]


@pytest.mark.parametrize(("content", "words"), OUTSIDE)
def test_what_is_outside_the_safe_core_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(Refused) as caught:
        yaml_codec.parse(content, "tasks/x.yaml")
    assert caught.value.refusal.code == "BAD_YAML"
    assert words in caught.value.refusal.message
    assert "tasks/x.yaml" in caught.value.refusal.message


@pytest.mark.parametrize(
    ("words", "value"),
    [("yes", "yes"), ("on", "on"), ("010", 10), ("0o10", 8), ("0x10", 16), ("1.5", 1.5), ("1_0", "1_0"), ("~", None), ("", None),
     ("True", True), ("2026-01-01", "2026-01-01"), ("12:30", "12:30"), ("'1'", "1"), ("+5", 5), ("0b1", "0b1")],
)  # fmt: skip
def test_scalars_mean_what_the_core_schema_says(words: str, value: object) -> None:
    assert yaml_codec.parse(f"a: {words}\n".encode(), "x")["a"] == value


def test_the_form_is_the_specified_one() -> None:
    record = {
        "id": "T-1",
        "title": 'say "hi": now',
        "description": "one\n\ntwo\n",
        "tags": ["a", "yes"],
        "pipeline": [{"role": "x"}],
    }
    assert canonical.emit("task", record).decode() == (
        "# yaml-language-server: $schema=../../schema/task.schema.json\n"
        "id: T-1\n"
        'title: "say \\"hi\\": now"\n'
        "description: |\n  one\n\n  two\n"
        'tags:\n  - a\n  - "yes"\n'
        "pipeline:\n  - role: x\n"
    )


def test_ops_yaml_keeps_its_comments() -> None:
    content = b"# head\nname: p  # the name\nrules: 1\n\n# tail\n"
    edited = yaml_codec.edit_policy(content, "deploy.command", ["a", "b c"])
    assert b"# head\nname: p  # the name\nrules: 1\n\n# tail\n" in edited
    assert yaml_codec.parse(edited, "x")["deploy"] == {"command": ["a", "b c"]}
    assert "command" not in yaml_codec.parse(yaml_codec.edit_policy(edited, "deploy.command", None), "x")["deploy"]


@pytest.mark.parametrize(
    ("words", "value"), [("1", 1), ("true", True), ('["a"]', ["a"]), ("[work]", ["work"]), ("a b", "a b"), ("'1'", "1")]
)
def test_a_value_on_the_command_line_is_yaml(words: str, value: object) -> None:
    assert yaml_codec.parse_value(words) == value


@pytest.fixture
def public_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where ruamel.yaml.clib has no C parser."""
    import sys

    monkeypatch.setitem(sys.modules, "_ruamel_yaml", None)


@pytest.mark.usefixtures("public_parser")
@pytest.mark.parametrize(("content", "words"), OUTSIDE)
def test_the_public_parser_refuses_the_same(content: bytes, words: str) -> None:
    with pytest.raises(Refused) as caught:
        yaml_codec.parse(content, "tasks/x.yaml")
    assert caught.value.refusal.code == "BAD_YAML"
    assert words in caught.value.refusal.message


@given(RECORDS.filter(plain_lists))
def test_both_parsers_give_the_same_events(record: dict[str, Any]) -> None:
    words = canonical.emit("task", record).decode()

    def shown(public: bool) -> list[tuple[Any, ...]]:
        fields = ("value", "anchor", "tag", "version", "tags")
        return [
            (type(event).__name__, *(getattr(event, name, None) or None for name in fields), _plain(event))
            for event in yaml_codec.events(words, public)
        ]

    def _plain(event: Any) -> Any:
        return bool(event.implicit[0]) if type(event).__name__ == "ScalarEvent" else None

    assert shown(public=True) == shown(public=False)


@pytest.mark.parametrize("key", ["name.x", "pipeline.0", "deploy.command.x"])
def test_a_key_below_what_holds_no_keys(key: str) -> None:
    content = b"name: p\npipeline: [a]\ndeploy:\n  command: [a]\n"
    with pytest.raises(Refused) as refused:
        yaml_codec.edit_policy(content, key, 1)
    assert refused.value.refusal.code == "BAD_VALUE"


def as_yaml(words: str) -> Any:
    """What the YAML parser makes of a text; a refusal if it is refused."""
    try:
        return yaml_codec._Builder("x").build(words)
    except Refused as refused:
        return refused.refusal.code


HEAD = "# yaml-language-server: $schema=../../schema/task.schema.json\n"
PIECES = st.sampled_from(
    ["a: 1\n", "b: x\n", "c:\n", "  - x\n", "  - d: 1\n", "    e: y\n", "  f: |\n", "    text\n", "\n", "  g: |-\n", 'h: "q"\n', 'i: "a\\nb"\n',
     "j: [1]\n", "k: {}\n", "l: []\n", "m: 1.5\n", "n: -0\n", "o: 01\n", "p: 1e3\n", "q: null\n", "r: ~\n", "s: yes\n", "t: a: b\n", "u: x #c\n", "#c\n",
     "  v: 9007199254740993\n", "w: 'x'\n", "x : y\n", '"y": z\n', '"<<": z\n', "<<: z\n", "a:1\n", "  - \n", "- x\n", "? a\n", "A: |+\n", "B: >\n", " C: x\n",
     "D: 1.0\n", "E: 0.1\n", "F: -1.5\n", "G: 1_0\n", "H: 0x1\n", "I: .5\n", "J: 1.\n", 'K: "a" b\n', 'L: "\n', 'M: "\\x41"\n', "N: -\n", "O: &a x\n", "P: *a\n"]
)  # fmt: skip


class TestCanonicalReader:
    """The fast reader answers only what the YAML parser answers too."""

    @given(RECORDS.filter(plain_lists))
    def test_it_reads_what_is_emitted(self, record: dict[str, Any]) -> None:
        words = canonical.emit("task", record).decode()
        found = canonical_reader.read(words)
        assert found == as_yaml(words) or found is None

    @given(st.lists(PIECES, min_size=1, max_size=8))
    def test_on_any_text_it_says_the_same_or_nothing(self, pieces: list[str]) -> None:
        words = HEAD + "".join(pieces)
        found = canonical_reader.read(words)
        if found is not None:
            assert found == as_yaml(words)
            assert repr(found) == repr(as_yaml(words)), "also 1 and 1.0, and the order of keys"

    @given(RECORDS.filter(plain_lists), st.data())
    def test_a_changed_character_is_not_missed(self, record: dict[str, Any], data: st.DataObject) -> None:
        words = canonical.emit("task", record).decode()
        at = data.draw(st.integers(0, len(words) - 1))
        changed = words[:at] + data.draw(st.sampled_from(list(" \n:-|\"\\'#&*01ax[]{}~,"))) + words[at + 1 :]
        found = canonical_reader.read(changed)
        assert found is None or repr(found) == repr(as_yaml(changed))

    def test_it_reads_every_file_of_the_kept_ledger(self, tmp_path: Path) -> None:
        subprocess.run(["git", "clone", "-q", "-b", "main", str(BUNDLE), str(tmp_path / "kept")], check=True)
        files = sorted((tmp_path / "kept").glob("*/**/*.yaml"))
        assert len(files) > 10
        for file in files:
            words = file.read_text()
            assert repr(canonical_reader.read(words)) == repr(as_yaml(words)), file
