"""The sweep: configuration, record of a run, and the wiring of the stages."""
