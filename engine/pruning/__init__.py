"""Token pruning, whichever backend computes: gates, controllers, recovery, strategies, and the record of a pass."""
