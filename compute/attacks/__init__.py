"""Attacks, one a file, over a batch of (photo, region): nothing here knows of explainers."""
