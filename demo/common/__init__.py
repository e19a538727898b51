"""What tabs and API share. Text from users is data: `markup` escapes it wherever it becomes HTML."""
