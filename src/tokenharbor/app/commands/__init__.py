"""The commands, a file for each noun; `app/cli.py` has the table of them."""
