"""Tables of a store: written as files of bounded size, derived, read, and checked against each other."""
