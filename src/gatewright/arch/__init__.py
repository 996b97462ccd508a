"""Floor 8: planner, cost and devices."""
