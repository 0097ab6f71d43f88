"""Where the things of an anchor picture are in later frames: by colour, by features, by a detector of phrases."""
