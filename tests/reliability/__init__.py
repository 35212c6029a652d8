"""Under fire: what is left when things go wrong, with processes that nobody simulates."""
