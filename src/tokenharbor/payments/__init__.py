"""Floor 3: payment processors, one file each behind one protocol; no database, no accounts."""
