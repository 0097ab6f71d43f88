"""Which way of searching keeps what a dear one gains, for how little: the table of a run of tabletop-methods."""
