"""One file a page; each also runs alone, which is how tests open it."""
