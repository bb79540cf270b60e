"""HTTP/1.1 over TLS for the API server's questions: the only place that knows a server library's insides.

It knows nothing of what is asked. The ops port is not served here, but by ``seconder.observability.ops``.
"""
