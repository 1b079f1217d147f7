"""Figures of single lessons: arrays to axes."""
