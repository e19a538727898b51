"""Tags many files, on one machine or a cluster; a killed run continues when it is restarted."""
