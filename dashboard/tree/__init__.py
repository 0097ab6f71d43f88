"""The search of one cell as a page shows it: which cell, its tree, its pictures."""
