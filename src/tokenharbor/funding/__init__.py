"""Floor 4: money that comes in from payment processors, and goes back to them."""
