"""The dashboard over published stores. It never imports torch."""

STORES_VARIABLE = "WOLFSPIDER_STORES"
"""Environment variable through which `launch` tells the app where the stores are."""
