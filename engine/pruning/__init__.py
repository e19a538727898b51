"""Runtime token pruning: signals, controllers, memory buffer, recovery, strategies and the pruned pass."""
