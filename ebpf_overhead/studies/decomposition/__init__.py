"""Which part of an overhead is the hook and which the program."""
