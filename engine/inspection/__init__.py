"""What a finished run tells: cost, trace, reasons. Built on demand, never inside a timed call."""
