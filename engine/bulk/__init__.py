"""Many files, on one machine or on a cluster; may be killed and started again."""
