"""What strategies did to a text: their times, how they differ from ``dense``, and all of it as words or JSON."""
