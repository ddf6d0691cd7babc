"""A module for each kind of hook: from a case and its compiled program to a :class:`Loaded`."""
