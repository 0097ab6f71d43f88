"""From a description of what to run to finished, recorded videos and their comparison."""
