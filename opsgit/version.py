"""The version, in a module of its own: reading it from the installed metadata costs as much as the rest of a start."""

VERSION = "0.1.0"
