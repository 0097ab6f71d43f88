"""Where acceptance thresholds of a suite come from: scores of plain samples on its dev prompts, and nothing else."""
