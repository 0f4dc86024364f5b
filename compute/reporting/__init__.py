"""What a store says: means and intervals, comparisons, words, tables."""
