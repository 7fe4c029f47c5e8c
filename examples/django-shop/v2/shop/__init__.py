"""The second release: an order says where it came from; one that does not know came from the web."""
