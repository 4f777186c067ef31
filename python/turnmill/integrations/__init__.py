"""Turnmill inside other frameworks; nothing here imports them before it is used."""
