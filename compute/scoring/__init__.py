"""What an explanation is worth: entry maps and counts, statistics, the report."""
