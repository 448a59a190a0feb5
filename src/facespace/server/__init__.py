"""The service: the same words over HTTP, and no logic of its own. Needs the extra `serve`."""
