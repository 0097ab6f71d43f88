"""The networks behind `rewards.encoders`, one file a family; each imports what it needs only when it is made."""
