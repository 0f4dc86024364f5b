"""`python -m compute` is the command `wolfspider`."""

from compute.cli import main

if __name__ == "__main__":
    main()
