"""Simulated experiments with a known truth: do intervals cover, and how often is a Go wrong, or missed?"""
