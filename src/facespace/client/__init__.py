"""Ask a service from Python, in the records it speaks in. Needs the package httpx (extra `serve`)."""
