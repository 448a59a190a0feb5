"""The HTTP API and the web UI. Needs the extra `serve`."""
