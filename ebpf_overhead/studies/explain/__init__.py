"""Where the instructions of a probed call go: stepped through in a guest, counted by function."""
