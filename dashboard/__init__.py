"""The dashboard: a run's decision, money, comparisons and searches in a browser, in Japanese and English; no torch."""
