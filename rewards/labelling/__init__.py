"""From people's labels to a reward: read labels, measure clips, fit a head and test it, say what to label next."""
