"""Explainers by gradients with respect to the image."""
