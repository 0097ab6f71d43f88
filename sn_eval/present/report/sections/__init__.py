"""The parts of the report, a file each: a function from what a `Teller` tells to a `Section`."""
