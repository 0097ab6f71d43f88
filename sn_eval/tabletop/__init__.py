"""The tabletop world: rendered scenes with ground truth, and the small video model trained on them."""
