"""Floor 5: the control plane: the API under /api, and the pages of the dashboard."""
