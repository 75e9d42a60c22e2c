"""Lettrage: raw expense tables in, balanced and lettered accounting entries out."""
