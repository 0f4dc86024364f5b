"""The dashboard over published stores. It never imports torch."""

STORES_VARIABLE = "WOLFSPIDER_STORES"
"""Environment variable through which `launch` tells the app where the stores are."""
HOSTS_VARIABLE = "WOLFSPIDER_HOSTS"
"""Environment variable through which `launch` tells the server its further names, separated by commas."""
