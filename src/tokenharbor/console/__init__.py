"""Floor 5: the control plane: its API under /api, and the pages of the dashboard."""
