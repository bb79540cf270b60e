"""Talking to the API server: credentials, requests, watches, and the snapshot that the webhook decides from."""
