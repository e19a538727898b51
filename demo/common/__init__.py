"""HTML for the tabs. Text from users is data and is escaped here."""
