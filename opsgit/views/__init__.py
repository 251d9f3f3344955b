"""Renderers: they turn values into text and never read the repository."""
