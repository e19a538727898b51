"""Documents, words and their labels, word pieces in windows, exact-span scoring."""
