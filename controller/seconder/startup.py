"""Turns a command line into a running webhook, operator or portal. The one module that knows all three.

Each is imported only when it is started: the webhook must be ready in well under a second and stay small.
"""

import argparse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from seconder import __version__
from seconder.admission.indirect import aliases
from seconder.admission.policy_index import Installation
from seconder.approvals.webauthn import is_host
from seconder.client import client_config
from seconder.importing import uncollected

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from seconder.client.credentials import Credentials
    from seconder.notifications.notifier import Notifier
    from seconder.notifications.routes import Route
    from seconder.observability.metrics import LeaderMetrics
    from seconder.operator.election import Term
    from seconder.operator.program import Duty
    from seconder.operator.reconciler import Settings
    from seconder.webhook.recorder import Bounds


class UsageError(Exception):
    """The command line cannot be followed; the message says what to change."""


def webhook(arguments: argparse.Namespace) -> int:
    """The exit code of ``seconder webhook``, which is run."""
    with uncollected():
        import uvloop

        from seconder.webhook import run

    options = run.Options(
        namespace=arguments.namespace,
        serving_secret=arguments.serving_secret,
        review_address=_address(arguments.bind_address),
        ops_address=_address(arguments.metrics_bind_address),
        installation=_installation(arguments),
        cluster_id=arguments.cluster_id,
        drain_delay=arguments.drain_delay,
        drain_timeout=arguments.drain_timeout,
        namespace_label=arguments.namespace_label,
        bounds=_bounds(arguments.open_per_requester, arguments.open_in_all),
        client_ca=_authorities(arguments.client_ca),
    )
    loaded = client_config.load(arguments.kubeconfig)
    return 0 if uvloop.run(run.run(loaded, options)) else 1


def operator(arguments: argparse.Namespace) -> int:
    """The exit code of ``seconder operator``, which is run."""
    with uncollected():
        from seconder.client.api import Api
        from seconder.http.address import bind
        from seconder.observability.metrics import LeaderMetrics, registry
        from seconder.observability.ops import Ops
        from seconder.operator import election, program

    settings, routes = _settings(arguments), _routes(arguments)
    loaded = client_config.load(arguments.kubeconfig)
    program.check(loaded)
    name = election.identity()
    duties = _Duties(arguments, settings, routes, loaded, f"seconder-operator/{__version__} ({name})")
    registry_ = registry()
    running = program.Program(lambda term, gave_up: duties.begin(term, gave_up, metrics), duties.stand_in)
    metrics = LeaderMetrics(registry_, lambda: running.leads)
    # In a thread, since the main one waits for signals; it ends with the process.
    Ops(bind(*_address(arguments.metrics_bind_address)), running.unmet, registry_).start()
    api = Api(loaded, user_agent=duties.user_agent, fence=lambda: election.REQUEST_SECONDS)
    return 0 if running.run(election.Elector(api, arguments.namespace, name, running.look)) else 1


class _Duties:
    """Makes what an operator does while it leads, anew for each term."""

    def __init__(
        self,
        arguments: argparse.Namespace,
        settings: "Settings",
        routes: "Sequence[Route]",
        loaded: "Credentials",
        user_agent: str,
    ) -> None:
        self._arguments = arguments
        self._settings = settings
        self._routes = routes
        self._loaded = loaded
        self.user_agent = user_agent

    def begin(self, term: "Term", gave_up: Callable[[], None], metrics: "LeaderMetrics") -> "Duty":
        """All parts of the operator, not started. Whatever they change goes by an ``Api`` that the term fences."""
        with uncollected():
            from prometheus_client import CollectorRegistry

            from seconder.client.api import Api
            from seconder.client.cache import Cache
            from seconder.observability import log
            from seconder.observability.metrics import OperatorMetrics
            from seconder.operator import program
            from seconder.operator.change_request_controller import ChangeRequestController
            from seconder.operator.emergencies import Emergencies
            from seconder.operator.reconciler import Reconciler
            from seconder.operator.restorer import Restorer

        arguments, settings = self._arguments, self._settings
        counted = metrics.while_leading = CollectorRegistry()
        api = Api(self._loaded, user_agent=self.user_agent, fence=term.left)
        cache = Cache(api, settings.installation, program.failed, cluster_id=arguments.cluster_id)
        notifier = self._notifier(counted)
        change_requests = ChangeRequestController(
            api, cache, program.failed, copies=settings.copies, observer=notifier.observe if notifier else None
        )
        reconciler = Reconciler(api, settings, lambda what, text: log.info(text, subject=what))
        told = OperatorMetrics(counted, change_requests.count, change_requests.waiting, change_requests.untried)
        restorer = Restorer(reconciler.restore, told.repairs.inc, program.failed)
        worker = program.Worker(
            reconciler.run,
            told,
            resync=min(program.RESYNC_SECONDS, max(1.0, arguments.rotation_settle)),
            observer=notifier.standing if notifier else None,
        )
        watching = program.Watching(self._loaded, worker.wake, gave_up)
        parts: list[program.Part] = [
            cache,
            program.watches(api, worker.wake, watching.anew, restorer.wake, portal=settings.portal),
            watching,
            change_requests,
        ]
        if notifier is not None:
            parts += [notifier, Emergencies(api, arguments.namespace, notifier.emergency, program.failed)]
        return program.Duty(term, parts, worker, [restorer, *change_requests.lanes])

    def stand_in(self, vacancy: "Term") -> "Duty":
        """What looks after the webhook configuration while nobody leads. It counts nothing: who leads does."""
        from prometheus_client import CollectorRegistry

        from seconder.client.api import Api
        from seconder.observability import log
        from seconder.observability.metrics import OperatorMetrics
        from seconder.operator import program
        from seconder.operator.reconciler import Reconciler

        api = Api(self._loaded, user_agent=self.user_agent, fence=vacancy.left)
        reconciler = Reconciler(api, self._settings, lambda what, text: log.info(text, subject=what))
        worker = program.Worker(reconciler.stand_in, OperatorMetrics(CollectorRegistry(), lambda _: 0))
        watches = program.stand_in_watches(api, worker.wake)
        return program.Duty(vacancy, [watches], worker, leads=False)

    def _notifier(self, registry: "CollectorRegistry") -> "Notifier | None":
        """What tells people outside; None where nobody is to be told."""
        if not self._arguments.notification_targets:
            return None
        from pathlib import Path

        from seconder.notifications.notifier import Notifier
        from seconder.observability import log
        from seconder.observability.metrics import NotificationMetrics

        metrics = NotificationMetrics(registry)

        def outcome(target: str, result: str, why: str) -> None:
            metrics.count(target, result)
            if why:
                log.info(f"notification {result}", subject=target or "targets", reason=why)

        source = f"urn:seconder:{self._arguments.cluster_id or self._arguments.namespace}"
        portal = self._arguments.portal_origin.rstrip("/")
        folder = Path(self._arguments.notification_targets)
        return Notifier(folder, self._routes, outcome, source=source, portal=portal)


def _settings(arguments: argparse.Namespace) -> "Settings":
    from datetime import timedelta

    from seconder.operator.certificates import Terms
    from seconder.operator.reconciler import Settings
    from seconder.operator.webhook_configuration import Endpoint

    url, service, host = _webhook(arguments)
    return Settings(
        arguments.namespace,
        _installation(arguments),
        Endpoint(url, service),
        Terms((host,), timedelta(seconds=arguments.rotation_settle)),
        arguments.serving_secret,
        issues=arguments.certificates == "operator",
        copies=arguments.copy_approvals,
        portal=bool(arguments.portal_origin),
        labels=_pairs(arguments.configuration_label),
        annotations=_pairs(arguments.configuration_annotation),
    )


def portal(arguments: argparse.Namespace) -> int:
    """The exit code of ``seconder portal``, which is run."""
    with uncollected():
        from seconder.portal import run

    options = run.Options(
        origin=_origin(arguments.origin),
        address=_address(arguments.bind_address),
        ops_address=_address(arguments.metrics_bind_address),
        cluster_id=arguments.cluster_id,
    )
    run.run(client_config.load(arguments.kubeconfig), options)
    return 0


def _routes(arguments: argparse.Namespace) -> "Sequence[Route]":
    if not arguments.notification_targets:
        return ()
    from seconder.notifications import routes

    try:
        return routes.read(arguments.notification_routes)
    except routes.Unusable as error:
        raise UsageError(str(error)) from None


def _installation(arguments: argparse.Namespace) -> Installation:
    try:
        added = tuple(map(aliases.parse, arguments.namespace_alias))
    except ValueError as error:
        raise UsageError(str(error)) from None
    return Installation(
        arguments.namespace,
        frozenset(arguments.controller),
        (*aliases.BUILT_IN, *added),
        portal_host=_portal_host(arguments.portal_origin),
        node_pods=arguments.agents_reach_nodes,
    )


def _portal_host(origin: str) -> str:
    """The host of the portal; empty without one, or where it is for trying on this machine alone."""
    parts = urlsplit(_origin(origin.rstrip("/"))) if origin else None
    return (parts.hostname or "") if parts and parts.scheme == "https" else ""


def _authorities(path: str) -> str:
    """The CAs in a PEM file; empty without one. Raises UsageError."""
    import ssl
    from pathlib import Path

    if not path:
        return ""
    try:
        text = Path(path).read_text()
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cadata=text)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.filename else "it is no certificate in PEM"
        raise UsageError(f"cannot read --client-ca {path}: {why}") from None
    return text


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise UsageError(f"not KEY=VALUE: {text!r}")
        pairs[key] = value
    return pairs


def _webhook(arguments: argparse.Namespace) -> tuple[str, tuple[str, str, int] | None, str]:
    """Where the API server finds the webhook: its URL or its Service, and the host in its certificate."""
    if bool(arguments.webhook_url) == bool(arguments.webhook_service):
        raise UsageError("give exactly one of --webhook-url and --webhook-service")
    if arguments.webhook_url:
        return arguments.webhook_url, None, _host_of(arguments.webhook_url)
    service = _service(arguments.webhook_service)
    return "", service, f"{service[1]}.{service[0]}.svc"


def _bounds(of_one: int, in_all: int) -> "Bounds":
    """How many change requests are open at a time. Raises UsageError."""
    from seconder.webhook.recorder import Bounds

    if not 1 <= of_one <= in_all <= _MOST_OPEN:
        raise UsageError(
            f"not 1 <= --open-per-requester {of_one} <= --open-in-all {in_all} <= {_MOST_OPEN}: give other limits"
        )
    ended = _WITH_ENDED
    return Bounds(open_of_one=of_one, of_one=of_one * ended, open_in_all=in_all, in_all=in_all * ended)


_MOST_OPEN: Final = 10_000
"""Change requests that both programs keep in view, within the memory that the chart gives them."""

_WITH_ENDED: Final = 5
"""Change requests for each open one: ended ones stay for an hour, for whoever looks into them."""


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"not an address: {text!r}; give HOST:PORT, such as 127.0.0.1:9443 or [::]:9443")
    return host or "::", int(port)


def _origin(text: str) -> str:
    """An origin as browsers write it, at which passkeys can be asked. Raises UsageError."""
    wrong = UsageError(
        f"not an origin for passkeys: {text!r}; give https://HOST in lower case, with a port other than 443 if need be "
        "(http://localhost:PORT for trying), and nothing behind it"
    )
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise wrong from None
    default = {"https": 443, "http": 80}.get(parts.scheme)
    written = f"{parts.scheme}://{host}" + (f":{port}" if port is not None else "")
    if text != written or not is_host(host.encode()) or port in {0, default}:
        raise wrong
    if parts.scheme == "https" or (parts.scheme == "http" and host == "localhost"):
        return text
    raise wrong


def _host_of(url: str) -> str:
    wrong = UsageError(f"not a base URL: {url!r}; give https://HOST:PORT")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise wrong from None
    if parts.scheme != "https" or not parts.hostname or port == 0 or parts.path or parts.query or parts.fragment:
        raise wrong
    return parts.hostname


def _service(text: str) -> tuple[str, str, int]:
    place, _, port = text.partition(":")
    namespace, slash, name = place.partition("/")
    number = int(port or "443") if (port or "443").isdecimal() else 0
    if not (namespace and slash and name) or not 1 <= number <= 65535:
        raise UsageError(f"not a Service: {text!r}; give NAMESPACE/NAME:PORT")
    return namespace, name, number
