"""Nouns: frozen values, enums and limits. No clock, no lock, no I/O."""
