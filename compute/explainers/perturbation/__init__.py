"""Explainers that hide parts of the image and watch the prediction: passes without gradients alone."""
