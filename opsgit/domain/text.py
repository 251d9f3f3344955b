"""The rules for text in records: allowed characters and length limits. Read it for the meaning of `BAD_TEXT`."""

from __future__ import annotations

import re

from opsgit.domain.refusals import refuse

# C0 and C1 controls except tab and newline, DEL, bidi controls (Unicode TR 9), line and paragraph separators,
# zero-width no-break space, interlinear marks, tag characters, surrogates and noncharacters.
NONCHARACTERS = "\ufdd0-\ufdef" + "".join(chr(plane * 0x10000 + low) for plane in range(17) for low in (0xFFFE, 0xFFFF))
FORBIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb"
    f"\ud800-\udfff\U000e0000-\U000e007f{NONCHARACTERS}]"
)
UNWRITABLE = re.compile("[\ud800-\udfff]")  # surrogates: UTF-8 has no bytes for them
TITLE_MAX = 200
COMMENT_MAX = 4000
TEXT_MAX = 64_000


def check(text: str, what: str, limit: int = TEXT_MAX, lines: bool = True, empty: bool = False) -> str:
    """Return `text` unchanged if a record may hold it.

    :param what: the field's name, for the message.
    :param limit: the maximum length in bytes of UTF-8.
    :param lines: whether newlines, tabs and white space at either end are allowed.
    :param empty: whether the text may be empty or consist of white space only.
    :raises Refused: `BAD_TEXT`.
    """
    found = FORBIDDEN.search(text)
    if found or (not lines and re.search(r"[\n\t]", text)):
        char = found.group() if found else "newline or tab"
        refuse("BAD_TEXT", f"{what} holds a character that may not be stored: {char!r}", "remove it", what)
    if not empty and not text.strip():
        refuse("BAD_TEXT", f"{what} is empty", "give it a text", what)
    if len(text.encode()) > limit:
        refuse("BAD_TEXT", f"{what} is longer than {limit} bytes", "shorten it", what)
    if text != text.strip() and not lines:
        refuse("BAD_TEXT", f"{what} begins or ends with a space", "trim it", what)
    return text


def tidy(note: str) -> str:
    """Return a note in the form that messages use: LF line ends, no trailing blanks, no empty lines at either end."""
    lines = note.replace("\r\n", "\n").split("\n")
    return "\n".join(line.rstrip(" \t") for line in lines).strip("\n")
