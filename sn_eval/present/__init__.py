"""Charts and words that a report and a dashboard share: no torch."""
