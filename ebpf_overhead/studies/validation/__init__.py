"""Whether predictions come true: a steady load, its estimate, then the probe itself."""
