"""The units of a sweep's work, and Ray's workers that do them where one process is not enough (README.md)."""
