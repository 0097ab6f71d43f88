"""Is it worth trusting? Checks on models, rewards and metrics against known truth."""
