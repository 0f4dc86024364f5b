"""Stores and photos that lie behind URLs: `fsspec` reads and writes them, `universal_pathlib` gives them paths."""
