"""Floor 4: what customers are told of their accounts, and how it reaches them."""
