"""The API server's client: credentials, requests, watches, the cache that reviews rest on, and answers to look-ups."""
