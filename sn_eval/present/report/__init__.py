"""One report, many files: `build` turns findings into blocks in one language, and each renderer draws the blocks."""
