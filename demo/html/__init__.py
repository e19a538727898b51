"""HTML that tabs show. Text from users is data: it is escaped here."""
