"""Floor 3: payment processors, each a file behind one protocol; no database, no accounts."""
