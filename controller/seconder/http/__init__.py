"""HTTP/1.1, over TLS for the API server's questions, without for probes: the only place that knows the HTTP parser.

It knows nothing of what is asked.
"""
