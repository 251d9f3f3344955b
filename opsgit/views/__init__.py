"""Renderers: values in, text out; they never see the store."""
