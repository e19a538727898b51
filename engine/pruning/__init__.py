"""Runtime token pruning: signals, controllers, memory buffer, recovery, strategies, the pruned pass."""
