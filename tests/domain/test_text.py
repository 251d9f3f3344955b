"""Text: each character that may not be stored, lengths in bytes, and the one form of a note."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsgit.domain import text
from opsgit.domain.refusals import Refused, refuse

# Written out by hand, not taken from the expression under test: first and last of each run.
RUNS = [
    (0x00, 0x08), (0x0B, 0x1F), (0x7F, 0x9F), (0x061C, 0x061C), (0x200E, 0x200F), (0x2028, 0x2029), (0x202A, 0x202E),
    (0x2066, 0x2069), (0xFEFF, 0xFEFF), (0xFFF9, 0xFFFB), (0xD800, 0xDFFF), (0xE0000, 0xE007F),
    (0xFDD0, 0xFDEF), *((plane << 16 | 0xFFFE, plane << 16 | 0xFFFF) for plane in range(17)),
]  # fmt: skip
FORBIDDEN = {point for first, last in RUNS for point in range(first, last + 1)}
BIDI = [0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
CONTROLS = [point for point in (*range(0x20), *range(0x7F, 0xA0)) if chr(point) not in "\n\t"]


def code(value: str, what: str = "title", **more: Any) -> str:
    with pytest.raises(Refused) as caught:
        text.check(value, what, **more)
        pytest.fail(f"{value!r} is accepted")
    assert caught.value.refusal.where == what
    return caught.value.refusal.code


def test_each_bidi_and_control_character_is_refused_wherever_it_stands() -> None:
    for point in BIDI + CONTROLS:
        for value in (chr(point), f"a{chr(point)}b", f"{chr(point)}a", f"a{chr(point)}"):
            assert code(value) == "BAD_TEXT"
            assert code(value, lines=False, empty=True) == "BAD_TEXT"


def test_no_other_character_is_refused() -> None:
    refused = {point for point in range(0x110000) if text.FORBIDDEN.search(chr(point))}
    assert refused == FORBIDDEN


@pytest.mark.parametrize(
    "char", ["\xa0", "\u200d", "\u202f", "\u2065", "\u206a", "\U000e0080", "é", "→", "😀", "\ue000"]
)
def test_neighbours_of_what_is_forbidden_are_allowed(char: str) -> None:
    assert text.check(f"a{char}b", "title") == f"a{char}b"


def test_the_message_names_the_field_and_shows_the_character_escaped() -> None:
    with pytest.raises(Refused) as caught:
        text.check("a\u202eb", "title")
    assert caught.value.refusal.message == "title holds a character that may not be stored: '\\u202e'"


@pytest.mark.parametrize("char", ["\n", "\t"])
def test_newline_and_tab_are_for_texts_of_many_lines_only(char: str) -> None:
    value = f"a{char}b"
    assert text.check(value, "description") == value
    assert code(value, lines=False) == "BAD_TEXT"
    assert code(f"a{char}", lines=False) == "BAD_TEXT"


@pytest.mark.parametrize("value", ["", " ", "\n\t ", "\xa0", "\u3000"])
def test_what_has_nothing_but_spaces_is_empty(value: str) -> None:
    assert code(value) == "BAD_TEXT"
    assert text.check(value, "note", empty=True) == value


@pytest.mark.parametrize(("char", "size"), [("a", 1), ("é", 2), ("→", 3), ("😀", 4)])
def test_lengths_are_counted_in_bytes(char: str, size: int) -> None:
    full = char * (text.TITLE_MAX // size)
    room = text.TITLE_MAX - len(full.encode())
    assert text.check(full + "x" * room, "title", text.TITLE_MAX)
    assert code(full + "x" * (room + 1), limit=text.TITLE_MAX) == "BAD_TEXT"
    assert len(full) <= text.TITLE_MAX  # in characters it would fit with room to spare
    assert size == 1 or code(full + char, limit=text.TITLE_MAX) == "BAD_TEXT"


def test_without_a_limit_a_text_has_at_most_64000_bytes() -> None:
    assert text.check("a" * 64_000, "description")
    assert code("a" * 64_001) == "BAD_TEXT"
    assert code("é" * 32_001) == "BAD_TEXT"


@pytest.mark.parametrize("value", [" a", "a ", "\xa0a", "a\u3000"])
def test_a_line_neither_begins_nor_ends_with_a_space(value: str) -> None:
    assert code(value, lines=False) == "BAD_TEXT"
    assert text.check(value, "description") == value
    assert text.check("a b", "title", lines=False) == "a b"


def test_an_empty_line_is_allowed_where_it_is_asked_for() -> None:
    assert text.check("", "title", lines=False, empty=True) == ""


@pytest.mark.parametrize(
    ("given", "tidied"),
    [
        ("a\r\nb\r\n", "a\nb"),
        ("a \t\nb \t", "a\nb"),
        ("\n \n\na\n\n\nb\n\t\n", "a\n\n\nb"),
        ("  a", "  a"),
        ("\n\ta", "\ta"),
        ("a \r\nb", "a\nb"),
        ("", ""),
        (" \r\n\t", ""),
        ("a\xa0", "a\xa0"),
    ],
)
def test_a_note_is_brought_into_one_form(given: str, tidied: str) -> None:
    assert text.tidy(given) == tidied


def test_a_lone_carriage_return_is_left_for_the_check_to_refuse() -> None:
    assert code(text.tidy("a\rb")) == "BAD_TEXT"


@given(st.text(st.sampled_from("ab \t\n\xa0") | st.characters(exclude_categories=["Cc", "Cs"])))
def test_a_tidy_note_stays_as_it_is(note: str) -> None:
    once = text.tidy(note)
    assert text.tidy(once) == once
    assert [line.split() for line in once.split("\n") if line.split()] == [
        line.split() for line in note.split("\n") if line.split()
    ], "no word is lost"


@given(st.text())
def test_what_is_accepted_can_be_stored(value: str) -> None:
    try:
        accepted = text.check(value, "title", text.TITLE_MAX, lines=False)
    except Refused as refused:
        assert refused.refusal.code == "BAD_TEXT"
        return
    assert accepted == value == value.strip() != ""
    assert len(value.encode()) <= 200
    assert not FORBIDDEN & set(map(ord, value)) and "\n" not in value and "\t" not in value


def test_a_refusal_keeps_code_message_hint_and_place() -> None:
    with pytest.raises(Refused) as caught:
        refuse("BAD_TEXT", "why", "what to do", "title")
    refusal = caught.value.refusal
    assert (refusal.code, refusal.message, refusal.hint, refusal.where) == ("BAD_TEXT", "why", "what to do", "title")
    assert (refusal.exit, refusal.retryable, str(caught.value)) == (4, False, "BAD_TEXT: why")
