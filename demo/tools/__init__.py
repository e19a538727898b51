"""Commands for those who work on the app: a load test and screenshots of an app in a process of its own."""
