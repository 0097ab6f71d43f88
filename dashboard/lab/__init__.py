"""The parts of the page "Reward lab": reward against judges, stored candidates, clips, audits."""
