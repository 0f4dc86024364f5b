"""The pages, one file each; the file name is the page's path in the URL.

Not named `pages`: Streamlit takes such a folder beside app.py for its older kind of app, and would show the server's
first visitor a linked page without its frame.
"""
