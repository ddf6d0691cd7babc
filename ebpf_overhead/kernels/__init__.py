"""Finding, fetching and cataloguing kernels, and the git history made of them.

The ways in are `catalogue` (what is here: `find`, `installed`), `adding` (put a kernel here)
and `history` (the generated git repository whose revisions are kernels).
"""
