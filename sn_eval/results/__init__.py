"""What a run leaves behind: records, traces, tables and the folder that holds them. Needs no torch."""
