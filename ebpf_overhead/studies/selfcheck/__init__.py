"""Whether what measures finds nothing where nothing is, and what was put there."""
