"""Builds the HTML that tabs show. Text from users is data and is escaped here."""
