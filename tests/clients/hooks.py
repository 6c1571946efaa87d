"""What Schemathesis has to know about this server."""

import schemathesis


@schemathesis.serializer("application/wasm")
def component(_context, value):
    """A component is sent as it is."""
    return value if isinstance(value, bytes) else str(value).encode()
