"""Floor 4: money that comes in from payment processors, and money that goes back: refunds, disputes, withdrawals."""
