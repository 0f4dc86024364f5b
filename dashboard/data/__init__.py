"""What pages ask of a store: plain functions and values, no widgets."""
