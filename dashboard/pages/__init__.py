"""The pages, one file each; the file name is the page's path in the URL."""
