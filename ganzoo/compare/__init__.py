"""Runs side by side: tables and figures from run folders; imports no torch."""
