"""Lettrage in Dagster: stages, checks and exports as assets (docs/orchestration.md)."""
