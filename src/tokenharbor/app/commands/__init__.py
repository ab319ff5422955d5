"""The commands, one file per noun; `app/cli.py` lists them."""
