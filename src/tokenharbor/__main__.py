"""`python -m tokenharbor`: the command line."""

from tokenharbor.app.cli import main

main()
