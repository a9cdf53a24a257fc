"""Scoring: protocol ``ganzoo-eval/1``."""
