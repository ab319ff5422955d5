"""What Token Harbor costs to run: each module measures or stages one thing; `python -m bench` runs them all."""
