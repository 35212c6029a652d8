"""Rules, and waiting for them: what may happen next, and one lock around it."""
