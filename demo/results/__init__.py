"""What strategies did to a text: times, differences from ``dense``, all in words or JSON."""
