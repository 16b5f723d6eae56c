"""How a request runs: planned, cut into chunks and slices, advanced by a backend, and put together as a result."""
