"""One case: its file, its pictures, the component that shows it, its downloads."""
