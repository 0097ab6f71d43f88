"""Sheets that compute: change an input, and saving, net present value and payback follow."""
