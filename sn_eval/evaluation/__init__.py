"""Videos on disk, measured together: suites of metrics, the one pass over each video, and what is written of it."""
