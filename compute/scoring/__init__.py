"""What an explanation is worth: entry maps and counts, measures, presentations, causal checks."""
