"""The command line: ``seconder webhook``, ``seconder operator`` and ``seconder portal``."""

import argparse
import os
import sys
from typing import NoReturn

from seconder import __version__
from seconder.api import constants
from seconder.client.credentials import NoCredentials
from seconder.importing import uncollected

with uncollected():
    from seconder import startup
    from seconder.observability import log


def program() -> NoReturn:
    """Run the command line, and end the process without taking the interpreter apart.

    Threads that read from the network end with the process. Python would free what they use first: one of sixty
    operators that were told to stop ended by SIGSEGV in OpenSSL instead.
    """
    log.for_libraries()
    code = main()
    log.close()
    os._exit(code)


def main(arguments: list[str] | None = None) -> int:
    """The exit code of the command that the command line names, which is run. No traceback reaches a user."""
    parsed = _parser().parse_args(arguments)
    run = {"webhook": startup.webhook, "operator": startup.operator, "portal": startup.portal}
    try:
        return run[parsed.command](parsed)
    except (startup.UsageError, NoCredentials) as error:
        print(f"seconder {parsed.command}: {error}", file=sys.stderr)  # noqa: T201
    except OSError as error:
        print(f"seconder {parsed.command}: {error.strerror or error}", file=sys.stderr)  # noqa: T201
    except KeyboardInterrupt:
        return 130
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="seconder", description="Agents' deletions need a peer's signature.")
    parser.add_argument("--version", action="version", version=f"seconder {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="webhook|operator|portal")
    _webhook(commands.add_parser("webhook", help="answer the API server's admission reviews"))
    _operator(commands.add_parser("operator", help="keep configuration, certificates and statuses as they should be"))
    _portal(commands.add_parser("portal", help="serve the page on which approvers sign with passkeys"))
    return parser


def _webhook(webhook: argparse.ArgumentParser) -> None:
    _common(webhook)
    webhook.add_argument("--bind-address", default="[::]:9443", metavar="HOST:PORT", help="for reviews (TLS)")
    webhook.add_argument(
        "--drain-delay", type=float, default=5.0, metavar="SECONDS", help="from the signal to stop to the last accept"
    )
    webhook.add_argument(
        "--drain-timeout", type=float, default=20.0, metavar="SECONDS", help="for what has begun by then"
    )
    webhook.add_argument(
        "--namespace-label", action="store_true", help="label blocked actions by namespace (more series)"
    )
    webhook.add_argument(
        "--open-per-requester", type=int, default=50, metavar="N", help="change requests of one requester that may wait"
    )
    webhook.add_argument(
        "--open-in-all", type=int, default=1000, metavar="N", help="change requests that may wait, of all requesters"
    )
    webhook.add_argument(
        "--client-ca",
        default="",
        metavar="FILE",
        help="the CA whose certificates API servers show; reviews from others are answered and not recorded",
    )


def _operator(operator: argparse.ArgumentParser) -> None:
    _common(operator)
    operator.add_argument("--webhook-url", default="", metavar="URL", help="where the API server finds the webhook")
    operator.add_argument(
        "--webhook-service", default="", metavar="NAMESPACE/NAME:PORT", help="the same, in the cluster"
    )
    operator.add_argument(
        "--certificates",
        choices=("operator", "secret"),
        default="operator",
        help="who makes the serving certificate: the operator, or whoever keeps the Secret, with ca.crt beside it",
    )
    operator.add_argument(
        "--rotation-settle",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="how long each step of a certificate rotation is given to reach everybody",
    )
    for what in ("label", "annotation"):
        operator.add_argument(
            f"--configuration-{what}",
            action="append",
            default=[],
            metavar="KEY=VALUE",
            help=f"{what} of the webhook configuration, such as some platforms go by; may be repeated",
        )
    operator.add_argument(
        "--copy-approvals",
        action="store_true",
        help="copy approvals from change requests to the objects (it may patch whatever policies name, then)",
    )
    operator.add_argument(
        "--notification-targets",
        default="",
        metavar="FOLDER",
        help="a file each: an Apprise URL, or cloudevents+https://",
    )
    operator.add_argument(
        "--notification-routes", default="", metavar="JSON", help="which targets are told what; left out: all of all"
    )


def _portal(portal: argparse.ArgumentParser) -> None:
    _reading(portal)
    portal.add_argument("--bind-address", default="[::]:8080", metavar="HOST:PORT", help="for browsers (plain HTTP)")
    portal.add_argument(
        "--origin", required=True, metavar="URL", help="where browsers find it, https://HOST; its host is the passkeys'"
    )


def _reading(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kubeconfig", metavar="FILE", help="left out: the pod's own ServiceAccount")
    parser.add_argument("--cluster-id", default="", help="appended to the cluster's uid in approvals")
    parser.add_argument("--metrics-bind-address", default="[::]:9090", metavar="HOST:PORT", help="probes and metrics")


def _common(parser: argparse.ArgumentParser) -> None:
    _reading(parser)
    parser.add_argument("--namespace", default=constants.DEFAULT_NAMESPACE, help="where Seconder is installed")
    parser.add_argument(
        "--serving-secret", default="seconder-webhook-tls", metavar="NAME", help="Secret with tls.crt and tls.key"
    )
    parser.add_argument(
        "--controller",
        action="append",
        default=[],
        metavar="USER",
        help="exact user name of a controller that policies for Everyone do not bind; may be repeated",
    )
    parser.add_argument(
        "--namespace-alias",
        action="append",
        default=[],
        metavar="PLURAL.GROUP=FIELD",
        help="a kind whose objects stand for the namespaces in a field, with ? behind it where that may be absent",
    )
    parser.add_argument(
        "--portal-origin",
        default="",
        metavar="URL",
        help="where approvers sign in: agents route nothing to its host, and notifications have links there",
    )
    parser.add_argument(
        "--agents-reach-nodes",
        action="store_true",
        help="let agents run pods that reach their nodes: with hostPath, privileged, in the node's process space",
    )


if __name__ == "__main__":
    program()
