"""Classifiers, their weights, and how passes run: nothing here knows of attacks."""
