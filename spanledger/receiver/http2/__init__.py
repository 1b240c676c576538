"""HTTP/2 (RFC 9113) as far as a server of small requests and answers needs it, on asyncio's transports.

It is here for what a request costs: gRPC's own library takes several times as much for a request of one span as its
decoding, mapping and writing together. `Connection` reads frames and keeps their rules, `Stream` is what serves a
request; the gRPC receiver makes its calls of it.
"""

from spanledger.receiver.http2.connection import Connection, Limits
from spanledger.receiver.http2.frames import ErrorCode
from spanledger.receiver.http2.headers import Fields, field, status
from spanledger.receiver.http2.keepalive import Keepalive
from spanledger.receiver.http2.stream import Malformed, Stream

__all__ = ["Connection", "ErrorCode", "Fields", "Keepalive", "Limits", "Malformed", "Stream", "field", "status"]
