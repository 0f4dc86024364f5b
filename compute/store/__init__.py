"""The results on disk: schema, parts, publishing, opening. Nothing here imports torch."""
