"""Sends one message to one target, once: it was taken, or it may be tried again, or it will never be taken."""

import base64
import hashlib
import hmac
import importlib
import logging
import time
from typing import TYPE_CHECKING, Final

from seconder.notifications.message import Message
from seconder.notifications.targets import AppriseTarget, CloudEventsTarget, Target

if TYPE_CHECKING:
    from ssl import SSLContext

    from apprise import Apprise

_SECONDS: Final = 5.0
"""For connecting, and again for the answer."""

_LONGEST_PAUSE: Final = 300.0
_FOR_NOW: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that say that the same request may be taken later. Source: RFC 9110, RFC 6585, RFC 8470."""


class Undelivered(Exception):
    """It was not taken. ``after``: the seconds that the receiver asks for, or 0; ``final``: it never will be.

    The message names no address and holds no secret.
    """

    def __init__(self, what: str, *, after: float = 0.0, final: bool = False) -> None:
        super().__init__(what)
        self.after = after
        self.final = final


def prepare(target: Target) -> None:
    """Load what telling it takes, so that the first message does not wait for that. May raise anything."""
    if isinstance(target, AppriseTarget):
        _service(target)
    else:
        for module in ("urllib3", "cloudevents.core.bindings.http"):
            importlib.import_module(module)


def send(target: Target, message: Message, source: str) -> None:
    """Send it. ``source`` says which cluster tells it. Raises Undelivered."""
    if isinstance(target, CloudEventsTarget):
        _post(target, message, source)
    else:
        _notify(target, message)


def signature(key: bytes, id_: str, timestamp: int, body: bytes) -> str:
    """The value of ``webhook-signature``. Source: Standard Webhooks, "signature scheme", symmetric."""
    signed = f"{id_}.{timestamp}.".encode() + body
    return f"v1,{base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()}"


def _post(target: CloudEventsTarget, message: Message, source: str) -> None:
    # Imported here, as they are needed where somebody is to be told alone.
    import urllib3
    from cloudevents.core.bindings.http import to_structured
    from cloudevents.core.formats.json import JSONFormat
    from cloudevents.core.v1.event import CloudEvent

    parts = message.cloud_event(source)
    encoded = to_structured(CloudEvent(parts["attributes"], parts["data"]), JSONFormat())
    timestamp = int(time.time())
    headers = dict(encoded.headers) | {
        "webhook-id": message.id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(target.key, message.id, timestamp, encoded.body),
        "user-agent": "seconder",
    }
    try:
        with urllib3.PoolManager(1, ssl_context=_trust(target)) as pool:
            answer = pool.request(
                "POST",
                target.url,
                body=encoded.body,
                headers=headers,
                timeout=urllib3.Timeout(connect=_SECONDS, read=_SECONDS),
                # What it is sent on to, nobody has named as a target.
                redirect=False,
                retries=False,
                preload_content=False,
            )
            answer.close()
    except urllib3.exceptions.SSLError:
        raise Undelivered("its certificate is not from a trusted authority, or for another name") from None
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise Undelivered(f"no answer: {type(error).__name__}") from None
    if 200 <= answer.status < 300:
        return
    raise Undelivered(
        f"it answered {answer.status}",
        after=_pause(answer.headers.get("retry-after", "")),
        final=answer.status not in _FOR_NOW,
    )


def _trust(target: CloudEventsTarget) -> "SSLContext":
    import ssl

    context = ssl.create_default_context()
    if target.ca_file:
        try:
            context.load_verify_locations(target.ca_file)
        except (OSError, ssl.SSLError):
            raise Undelivered("ca.crt beside it holds no certificates in PEM") from None
    return context


def _pause(text: str) -> float:
    """Seconds from ``Retry-After``. Its other form, a date, is left to the usual pauses. Source: RFC 9110, 10.2.3."""
    return min(_LONGEST_PAUSE, float(text)) if text.isdecimal() else 0.0


def _notify(target: AppriseTarget, message: Message) -> None:
    import apprise

    service = _service(target)
    if not len(service):
        raise Undelivered("not a URL that Apprise knows", final=True)
    if not service.notify(title=message.title, body=message.body, body_format=apprise.NotifyFormat.TEXT):
        raise Undelivered("the service did not take it")


def _service(target: AppriseTarget) -> "Apprise":
    """Apprise's client of it; without a service where it knows none of that URL."""
    import apprise

    # What it logs may hold an address, and an address its password.
    logging.getLogger("apprise").disabled = True
    # Its own picture would be fetched from a third party by whoever reads the message.
    asset = apprise.AppriseAsset(
        app_id="Seconder", app_desc="Seconder", app_url="", image_url_mask="", image_url_logo=""
    )
    service = apprise.Apprise(asset=asset)
    service.add(target.url)
    return service
