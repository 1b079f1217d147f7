"""Helpers for the Bayesian active learning course: thin, readable, and checked against independent oracles."""
