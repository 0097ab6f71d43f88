"""From measurements to a decision: statistics; acceptance, ROI and verdict build on them. No torch."""
