"""What services know of each other: typed calls, typed events and thin clients. No I/O lives here."""
