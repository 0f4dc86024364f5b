"""What needs no network, and the best that superpixels could do: scored beside the explainers, never ranked."""
