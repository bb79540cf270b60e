"""The real kubectl and the plugin with one kubeconfig after another: who asks is the same, or the plugin says no.

Both call servers on loopback that write down what arrives: no API server, and no credential of anybody's.
"""

import json
import os
import pty
import queue
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from tests.support.forked import Plugin
from tests.support.loopback import LOOPBACK, Arrived, Authority, Loopback, Pair, listening

from localstack.binaries import provide
from localstack.pins import Binary

_AT_ONCE = 2
_SECONDS = 30.0
_V1 = "client.authentication.k8s.io/v1"
_V1BETA1 = "client.authentication.k8s.io/v1beta1"
_OUTSIDE = "https://api.cluster.test:6443"
"""A name that nobody resolves but the proxies."""

Document = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """One case's folder, and what the servers are called there."""

    name: str
    folder: Path
    servers: "Servers"

    def url(self, server: str = "secured", scheme: str = "https") -> str:
        """Where a server is; the path tells the case."""
        return f"{scheme}://127.0.0.1:{self.servers.ports[server]}/{self.name}"

    @property
    def outside(self) -> str:
        """The same behind a proxy."""
        return f"{_OUTSIDE}/{self.name}"

    def proxy(self, name: str = "proxy", scheme: str = "http", user: str = "") -> str:
        """A proxy's URL."""
        return f"{scheme}://{user}127.0.0.1:{self.servers.ports[name]}"

    def file(self, name: str, content: bytes | str, mode: int = 0o600) -> Path:
        """Write a file into the folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(mode)
        return path

    def config(
        self, user: Document, server: str = "", *, cluster: Document | None = None, name: str = "config"
    ) -> Path:
        """Write a kubeconfig of one cluster and one user. What is null in ``cluster`` is left out."""
        more = cluster or {}
        known: Document = {"server": server or self.url()}
        known |= {} if "insecure-skip-tls-verify" in more else self.servers.ca
        return self.write(name, {key: value for key, value in (known | more).items() if value is not None}, user)

    def write(self, name: str, cluster: Document, user: Document, **more: Any) -> Path:
        """Write a kubeconfig as it is."""
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": user}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        }
        return self.file(name, json.dumps(document | more))

    def plugin(self, status: Document | None, version: str = _V1, *, before: str = "", name: str = "plugin") -> Path:
        """Write a credential plugin that answers with this status; ``before`` is run first."""
        answer: Document = {"apiVersion": version, "kind": "ExecCredential"}
        answer |= {} if status is None else {"status": status}
        return self.file(name, f"#!/bin/sh\n{before}\ncat <<'END'\n{json.dumps(answer)}\nEND\n", 0o700)

    def exec(self, status: Document | None = None, **fields: Any) -> Document:
        """Give a user whose plugin answers with this status."""
        status = {"token": "from-plugin"} if status is None else status
        command = fields.get("command") or str(self.plugin(status))
        run = {"apiVersion": _V1, "interactiveMode": "Never"} | fields | {"command": command}
        return {"exec": {key: value for key, value in run.items() if value is not None}}


@dataclass(frozen=True)
class Servers:
    """The servers' ports, their authority as kubeconfigs hold it, and certificates of clients."""

    loopback: Loopback
    authority: Authority
    other: Authority
    below: Authority
    client: Pair
    second: Pair

    @property
    def ports(self) -> Mapping[str, int]:
        """By name."""
        return self.loopback.ports

    @property
    def ca(self) -> Document:
        """The authority as a cluster's entry holds it."""
        return {"certificate-authority-data": Pair(self.authority.pem, b"").encoded[0]}


@dataclass(frozen=True)
class Run:
    """How the two are called: ``config`` is what KUBECONFIG holds, ``arguments`` are both's, ``folder`` is theirs.

    ``typed`` is typed at a terminal; without it, nobody can be asked.
    """

    config: str | Path = ""
    arguments: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: str = ""
    typed: str = ""


@dataclass(frozen=True)
class Case:
    """One kubeconfig. ``make`` writes it.

    ``sends``: kubectl sends its request. ``refuses``: the plugin does not, although kubectl does; what it says then.
    ``why``: what it says where neither sends.
    """

    make: Callable[[Place], Run | Path]
    sends: bool = True
    refuses: str = ""
    why: str = ""
    who: Callable[[Arrived], bool] = lambda seen: True


CASES: dict[str, Case] = {}


def case(**fields: Any) -> Callable[[Callable[[Place], Run | Path]], Callable[[Place], Run | Path]]:
    """Add a case, named after the function that writes it."""

    def add(make: Callable[[Place], Run | Path]) -> Callable[[Place], Run | Path]:
        CASES[make.__name__.strip("_").replace("_", "-")] = Case(make, **fields)
        return make

    return add


def _pair(pair: Pair) -> Document:
    certificate, key = pair.encoded
    return {"client-certificate-data": certificate, "client-key-data": key}


# --- tokens, certificates, passwords -------------------------------------------------------------------------------


@case(who=lambda seen: seen.authorization == "Bearer t")
def _token(place: Place) -> Path:
    return place.config({"token": "t"})


@case(who=lambda seen: (seen.authorization, seen.certificate) == ("Bearer t", "dana"))
def _token_and_certificate(place: Place) -> Path:
    return place.config({"token": "t"} | _pair(place.servers.client))


@case(who=lambda seen: (seen.authorization, seen.certificate) == ("", "dana"))
def _certificate_files(place: Place) -> Path:
    place.file("keys/dana.crt", place.servers.client.certificate)
    place.file("keys/dana.key", place.servers.client.key)
    return place.config({"client-certificate": "keys/dana.crt", "client-key": "keys/dana.key"})


@case(who=lambda seen: seen.certificate == "dana")
def _certificate_file_and_key_data(place: Place) -> Path:
    place.file("dana.crt", place.servers.client.certificate)
    return place.config({"client-certificate": "dana.crt", "client-key-data": place.servers.client.encoded[1]})


@case(sends=False, why="both client-certificate and client-certificate-data")
def _certificate_twice(place: Place) -> Path:
    place.file("dana.crt", place.servers.client.certificate)
    return place.config({"client-certificate": "dana.crt"} | _pair(place.servers.second))


@case(sends=False, why="no client-key")
def _certificate_without_key(place: Place) -> Path:
    return place.config({"client-certificate-data": place.servers.client.encoded[0]})


@case(sends=False, why="holds no token")
def _key_without_certificate(place: Place) -> Path:
    return place.config({"client-key-data": place.servers.client.encoded[1]})


@case(sends=False, why="cannot be used")
def _key_of_another_certificate(place: Place) -> Path:
    return place.config(_pair(Pair(place.servers.client.certificate, place.servers.second.key)))


@case(who=lambda seen: seen.authorization == "Bearer from-file")
def _token_file(place: Place) -> Path:
    place.file("secrets/token", "from-file\n")
    return place.config({"tokenFile": "secrets/token"})


@case(who=lambda seen: seen.authorization == "Bearer from-file")
def _token_file_before_token(place: Place) -> Path:
    place.file("token", "from-file")
    return place.config({"tokenFile": "token", "token": "t"})


@case(who=lambda seen: seen.authorization == "Bearer t")
def _token_where_its_file_is_missing(place: Place) -> Path:
    return place.config({"tokenFile": "gone", "token": "t"})


@case(sends=False, why="token file .*gone cannot be read: No such file")
def _token_file_missing(place: Place) -> Path:
    return place.config({"tokenFile": "gone"})


@case(sends=False, why="token file .*token is empty")
def _token_file_empty(place: Place) -> Path:
    place.file("token", "\n")
    return place.config({"tokenFile": "token"})


@case(who=lambda seen: seen.authorization.startswith("Basic "))
def _password(place: Place) -> Path:
    return place.config({"username": "dana", "password": "sücret: ¶"})


@case(who=lambda seen: seen.authorization.startswith("Basic "))
def _user_name_alone(place: Place) -> Path:
    return place.config({"username": "dana"})


@case(sends=False, why="holds no token")
def _password_alone(place: Place) -> Path:
    return place.config({"password": "secret"})


@case(sends=False, why="both a token and a user name")
def _password_and_token(place: Place) -> Path:
    return place.config({"username": "dana", "password": "secret", "token": "t"})


@case(sends=False, why="both a token and a user name")
def _password_and_token_file(place: Place) -> Path:
    place.file("token", "from-file")
    return place.config({"username": "dana", "password": "secret", "tokenFile": "token"})


@case(who=lambda seen: seen.certificate == "dana" and seen.authorization.startswith("Basic "))
def _password_and_certificate(place: Place) -> Path:
    return place.config({"username": "dana", "password": "secret"} | _pair(place.servers.client))


@case(sends=False, why="nothing is asked for anonymously")
def _nothing(place: Place) -> Path:
    return place.config({})


@case(sends=False, why="control character")
def _token_with_a_line_break(place: Place) -> Path:
    return place.config({"token": "t\n"})


@case(sends=False, why="Expected `str`, got `int`")
def _token_that_is_a_number(place: Place) -> Path:
    return place.config({"token": 1234})


# --- credential plugins --------------------------------------------------------------------------------------------


@case(who=lambda seen: seen.authorization == "Bearer from-plugin")
def _plugin(place: Place) -> Path:
    return place.config(place.exec())


@case(who=lambda seen: (seen.authorization, seen.certificate) == ("", "dana"))
def _plugin_with_certificate(place: Place) -> Path:
    client = place.servers.client
    return place.config(
        place.exec({"clientCertificateData": client.certificate.decode(), "clientKeyData": client.key.decode()})
    )


@case(who=lambda seen: (seen.authorization, seen.certificate) == ("Bearer p", "dana"))
def _plugin_with_both(place: Place) -> Path:
    client = place.servers.client
    status = {"token": "p", "clientCertificateData": client.certificate.decode(), "clientKeyData": client.key.decode()}
    return place.config(place.exec(status))


@case(sends=False, why="a certificate or its key, but not both")
def _plugin_with_half_a_pair(place: Place) -> Path:
    return place.config(place.exec({"token": "p", "clientKeyData": place.servers.client.key.decode()}))


@case(sends=False, why="failed \\(exit code 3\\)")
def _plugin_fails(place: Place) -> Path:
    return place.config(place.exec(command=str(place.plugin({"token": "p"}, before="exit 3"))))


@case(sends=False, why="no-such-plugin is not there, .*: Install it: brew install no-such-plugin")
def _plugin_missing(place: Place) -> Path:
    hint = "Install it:\n  brew install no-such-plugin"
    return place.config(place.exec(command="no-such-plugin", installHint=hint, interactiveMode="IfAvailable"))


@case(sends=False, why="is for 'client.authentication.k8s.io/v1alpha1'")
def _plugin_of_v1alpha1(place: Place) -> Path:
    return place.config(place.exec(apiVersion="client.authentication.k8s.io/v1alpha1"))


@case(sends=False, why="interactiveMode ''")
def _plugin_without_mode(place: Place) -> Path:
    return place.config(place.exec(interactiveMode=None))


@case(sends=False, why="interactiveMode 'Sometimes'")
def _plugin_with_a_mode_of_its_own(place: Place) -> Path:
    return place.config(place.exec(interactiveMode="Sometimes"))


@case(who=lambda seen: seen.authorization == "Bearer p")
def _plugin_of_v1beta1(place: Place) -> Path:
    plugin = place.plugin({"token": "p"}, _V1BETA1)
    return place.config(place.exec(apiVersion=_V1BETA1, command=str(plugin), interactiveMode=None))


@case(sends=False, why="needs a terminal")
def _plugin_that_must_ask(place: Place) -> Path:
    return place.config(place.exec(interactiveMode="Always"))


@case(who=lambda seen: seen.authorization == "Bearer hello")
def _plugin_that_must_ask_at_a_terminal(place: Place) -> Run:
    return Run(place.config(_asking(place, "Always")), typed="hello")


@case(who=lambda seen: seen.authorization == "Bearer hello")
def _plugin_that_may_ask_at_a_terminal(place: Place) -> Run:
    return Run(place.config(_asking(place, "IfAvailable")), typed="hello")


@case(who=lambda seen: seen.authorization == "Bearer nobody")
def _plugin_that_may_ask_and_cannot(place: Place) -> Run:
    return Run(place.config(_asking(place, "IfAvailable")))


@case(who=lambda seen: seen.authorization == "Bearer nobody")
def _plugin_that_never_asks_at_a_terminal(place: Place) -> Run:
    return Run(place.config(_asking(place, "Never")), typed="hello")


@case(who=lambda seen: seen.authorization.startswith("Bearer "))
def _plugin_is_told_the_cluster(place: Place) -> Path:
    extension = {"name": _V1.rpartition("/")[0] + "/exec", "extension": {"audience": "x", "list": [1, None]}}
    return place.config(
        _telling(place, provideClusterInfo=True),
        cluster={"extensions": [extension], "tls-server-name": "kubernetes.default.svc", "disable-compression": True},
    )


@case()
def _plugin_is_told_the_proxy(place: Place) -> Path:
    return place.config(
        _telling(place, provideClusterInfo=True), place.outside, cluster={"proxy-url": place.proxy(user="a:b@")}
    )


@case()
def _plugin_is_not_told_the_cluster(place: Place) -> Path:
    return place.config(_telling(place))


@case(who=lambda seen: seen.authorization == "Bearer one-two three-/c-seen")
def _plugin_gets_arguments_and_environment(place: Place) -> Run:
    script = (
        '#!/bin/sh\nprintf \'{"apiVersion":"%s","kind":"ExecCredential","status":{"token":"%s-%s-%s-%s"}}\' '
        f'{_V1} "$1" "$2" "$FROM_CONFIG" "$FROM_OUTSIDE"\n'
    )
    command = str(place.file("plugin", script, 0o700))
    env = [{"name": "FROM_CONFIG", "value": "/c"}]
    config = place.config(place.exec(command=command, args=["one", "two three"], env=env))
    return Run(config, environment={"FROM_CONFIG": "outside", "FROM_OUTSIDE": "seen"})


@case(who=lambda seen: seen.authorization == "Bearer right")
def _plugin_is_looked_up_in_our_path(place: Place) -> Run:
    place.plugin({"token": "right"}, name="ours/plugin")
    place.plugin({"token": "wrong"}, name="theirs/plugin")
    env = [{"name": "PATH", "value": f"{place.folder}/theirs:/usr/bin:/bin"}]
    config = place.config(place.exec(command="plugin", env=env))
    return Run(config, environment={"PATH": f"{place.folder}/ours:/usr/bin:/bin"})


@case(sends=False, why="in the current folder alone")
def _plugin_in_the_current_folder(place: Place) -> Run:
    place.plugin({"token": "p"})
    config = place.config(place.exec(command="plugin"))
    return Run(config, environment={"PATH": ".:/usr/bin:/bin"}, folder=str(place.folder))


@case(who=lambda seen: seen.authorization == "Bearer p")
def _plugin_beside_the_kubeconfig(place: Place) -> Path:
    place.plugin({"token": "p"}, name="sub/bin/plugin")
    return place.config(place.exec(command="./bin/plugin"), name="sub/config")


@case(who=lambda seen: seen.authorization == "Bearer t")
def _token_before_plugin(place: Place) -> Path:
    return place.config({"token": "t"} | place.exec())


@case(who=lambda seen: (seen.authorization, seen.certificate) == ("", "dana"))
def _certificate_before_plugin(place: Place) -> Path:
    return place.config(_pair(place.servers.client) | place.exec())


@case(who=lambda seen: seen.authorization.startswith("Basic "))
def _password_before_plugin(place: Place) -> Path:
    return place.config({"username": "dana", "password": "secret"} | place.exec())


@case(sends=False, why="does not answer with an ExecCredential")
def _plugin_of_another_version(place: Place) -> Path:
    return place.config(place.exec(command=str(place.plugin({"token": "p"}, _V1BETA1))))


@case(sends=False, why="does not answer with an ExecCredential")
def _plugin_that_says_nothing(place: Place) -> Path:
    return place.config(place.exec(command="/bin/true"))


@case(sends=False, why="gives no credential")
def _plugin_without_credential(place: Place) -> Path:
    return place.config(place.exec({"expirationTimestamp": "2040-01-01T00:00:00Z"}))


@case(who=lambda seen: seen.authorization == "Bearer p")
def _plugin_whose_credential_has_expired(place: Place) -> Path:
    return place.config(place.exec({"token": "p", "expirationTimestamp": "2020-01-01T00:00:00Z"}))


@case(sends=False, why="kuberc .* does not let credential plugin")
def _plugin_that_preferences_forbid(place: Place) -> Run:
    return Run(
        place.config(place.exec()), environment={"KUBERC": str(_kuberc(place, credentialPluginPolicy="DenyAll"))}
    )


@case(sends=False, why="kuberc .* does not let credential plugin")
def _plugin_that_preferences_do_not_name(place: Place) -> Run:
    allowed = [{"command": "another"}]
    kuberc = _kuberc(place, credentialPluginPolicy="Allowlist", credentialPluginAllowlist=allowed)
    return Run(place.config(place.exec()), environment={"KUBERC": str(kuberc)})


@case()
def _plugin_that_preferences_name(place: Place) -> Run:
    place.plugin({"token": "p"})
    allowed = [{"command": "another"}, {"name": "plugin"}]
    kuberc = _kuberc(place, credentialPluginPolicy="Allowlist", credentialPluginAllowlist=allowed)
    environment = {"KUBERC": str(kuberc), "PATH": f"{place.folder}:/usr/bin:/bin"}
    return Run(place.config(place.exec(command="plugin")), environment=environment)


@case(sends=False, why="uses auth-provider 'gcp'")
def _auth_provider_that_kubectl_dropped(place: Place) -> Path:
    return place.config({"auth-provider": {"name": "gcp", "config": {"access-token": "x"}}})


@case(refuses="uses auth-provider 'oidc', which is not supported")
def _auth_provider(place: Place) -> Path:
    # {"exp": 4102444800} between a header and a signature of no meaning.
    token = "e30.eyJleHAiOjQxMDI0NDQ4MDB9.AA"
    config = {"idp-issuer-url": "https://127.0.0.1:1", "client-id": "x", "id-token": token}
    return place.config({"auth-provider": {"name": "oidc", "config": config}})


# --- impersonation -------------------------------------------------------------------------------------------------


@case(who=lambda seen: seen.impersonation == [("impersonate-user", "erin")])
def _impersonation(place: Place) -> Path:
    return place.config({"token": "t", "as": "erin"})


@case(who=lambda seen: len(seen.impersonation) == 7)
def _impersonation_in_full(place: Place) -> Path:
    return place.config(
        {
            "token": "t",
            "as": "Jürgen Müller",
            "as-uid": "7",
            "as-groups": ["a", "b, c"],
            "as-user-extra": {"example.com/sc%ope é": ["x", "y"], "Reason": ["because"]},
        }
    )


@case(sends=False, why="need a user to impersonate")
def _impersonation_of_groups_alone(place: Place) -> Path:
    return place.config({"token": "t", "as-groups": ["a"]})


@case(who=lambda seen: ("impersonate-user", "frank") in seen.impersonation)
def _impersonation_by_flags(place: Place) -> Run:
    config = place.config(
        {"token": "t", "as": "erin", "as-uid": "7", "as-groups": ["a", "b"], "as-user-extra": {"k": ["1"]}}
    )
    flags = ("--as=frank", "--as-group=c", "--as-group=d", "--as-user-extra=k=2", "--as-user-extra=l=3=4")
    return Run(config, flags)


@case(sends=False, why="need a user to impersonate")
def _impersonation_of_a_group_by_flag(place: Place) -> Run:
    return Run(place.config({"token": "t"}), ("--as-group=a",))


@case(who=lambda seen: ("impersonate-uid", "9") in seen.impersonation)
def _impersonation_with_a_plugin(place: Place) -> Run:
    return Run(place.config({"as": "erin"} | place.exec()), ("--as-uid=9",))


@case(sends=False, why="control character")
def _impersonation_with_a_line_break(place: Place) -> Path:
    return place.config({"token": "t", "as": "erin\nImpersonate-Group: system:masters"})


# --- the server and its certificate --------------------------------------------------------------------------------


@case(who=lambda seen: seen.asked_name == "")
def _address(place: Place) -> Path:
    return place.config({"token": "t"})


@case(who=lambda seen: seen.asked_name == "kubernetes.default.svc")
def _server_name(place: Place) -> Path:
    return place.config({"token": "t"}, cluster={"tls-server-name": "kubernetes.default.svc"})


@case(sends=False, why="is valid for 127.0.0.1, .* and not for api.prod")
def _server_name_that_is_another(place: Place) -> Path:
    return place.config({"token": "t"}, cluster={"tls-server-name": "api.prod"})


@case(who=lambda seen: seen.asked_name == "kubernetes.default.svc")
def _server_name_by_flag(place: Place) -> Run:
    config = place.config({"token": "t"}, cluster={"tls-server-name": "api.prod"})
    return Run(config, ("--tls-server-name=kubernetes.default.svc",))


@case(who=lambda seen: seen.asked_name == "")
def _server_by_flag(place: Place) -> Run:
    config = place.config({"token": "t"}, "https://127.0.0.1:1", cluster={"tls-server-name": "api.prod"})
    return Run(config, (f"--server={place.url()}",))


@case(sends=False, why="issued by CN=other, is not signed by the certificate authority of .* \\(CN=ours\\)")
def _authority_that_is_another(place: Place) -> Path:
    return place.config({"token": "t"}, place.url("other"))


@case(sends=False, why="issued by CN=ours, .* that this machine trusts")
def _authority_left_out(place: Place) -> Path:
    return place.config({"token": "t"}, cluster={"certificate-authority-data": None})


@case(sends=False, why="has expired at 20")
def _server_certificate_expired(place: Place) -> Path:
    return place.config({"token": "t"}, place.url("expired"))


@case(sends=False, why="is not valid before 20")
def _server_certificate_from_tomorrow(place: Place) -> Path:
    return place.config({"token": "t"}, place.url("early"))


@case(sends=False, why="is valid for no name at all, and not for 127.0.0.1")
def _server_certificate_without_names(place: Place) -> Path:
    return place.config({"token": "t"}, place.url("nameless"))


@case()
def _intermediate_authority(place: Place) -> Path:
    encoded, _ = Pair(place.servers.below.pem, b"").encoded
    return place.config({"token": "t"}, place.url("below"), cluster={"certificate-authority-data": encoded})


@case()
def _authorities_among_other_text(place: Place) -> Path:
    place.file("ca", b"# \xc3\xa4\n" + place.servers.other.pem + b"\nsubject=x\n" + place.servers.authority.pem)
    return place.config({"token": "t"}, cluster={"certificate-authority-data": None, "certificate-authority": "ca"})


@case(sends=False, why="certificate-authority that holds no certificate")
def _authority_that_is_none(place: Place) -> Path:
    place.file("ca", place.servers.client.key)
    return place.config({"token": "t"}, cluster={"certificate-authority-data": None, "certificate-authority": "ca"})


@case(sends=False, why="certificate-authority .*gone cannot be read")
def _authority_missing(place: Place) -> Path:
    return place.config({"token": "t"}, cluster={"certificate-authority-data": None, "certificate-authority": "gone"})


@case(sends=False, why="both certificate-authority and certificate-authority-data")
def _authority_twice(place: Place) -> Path:
    place.file("ca", place.servers.authority.pem)
    return place.config({"token": "t"}, cluster={"certificate-authority": "ca"})


@case()
def _authority_by_flag(place: Place) -> Run:
    ca = place.file("ca", place.servers.authority.pem)
    config = place.config({"token": "t"}, cluster={"insecure-skip-tls-verify": True})
    return Run(config, (f"--certificate-authority={ca}",))


@case()
def _insecure(place: Place) -> Path:
    return place.config({"token": "t"}, place.url("other"), cluster={"insecure-skip-tls-verify": True})


@case(sends=False, why="both insecure-skip-tls-verify and a certificate authority")
def _insecure_beside_an_authority(place: Place) -> Path:
    return place.config({"token": "t"}, cluster={"insecure-skip-tls-verify": True} | place.servers.ca)


@case()
def _insecure_by_flag(place: Place) -> Run:
    return Run(place.config({"token": "t"}, place.url("expired")), ("--insecure-skip-tls-verify",))


@case(sends=False, why="has expired")
def _insecure_not_by_flag(place: Place) -> Run:
    return Run(place.config({"token": "t"}, place.url("expired")), ("--insecure-skip-tls-verify=false",))


@case(who=lambda seen: seen.authorization == "")
def _plain_http_keeps_the_token(place: Place) -> Path:
    return place.config({"token": "t", "as": "erin"}, place.url("plain", "http"))


@case(who=lambda seen: seen.authorization == "")
def _plain_http_runs_no_plugin(place: Place) -> Path:
    plugin = place.plugin({"token": "p"}, before="exit 1")
    return place.config(place.exec(command=str(plugin)), place.url("plain", "http"))


@case(who=lambda seen: seen.authorization == "")
def _plain_http_without_credential(place: Place) -> Path:
    return place.config({}, place.url("plain", "http"))


@case(sends=False, why="both exec and auth-provider")
def _plain_http_with_what_contradicts_itself(place: Place) -> Path:
    user = place.exec() | {"auth-provider": {"name": "oidc", "config": {}}}
    return place.config(user, place.url("plain", "http"))


@case(sends=False, why="does not speak TLS")
def _plain_http_called_https(place: Place) -> Path:
    return place.config({"token": "t"}, place.url("plain"))


@case()
def _server_with_a_query(place: Place) -> Path:
    return place.config({"token": "t"}, f"{place.url()}/?a=b#c")


@case(sends=False, refuses="", why="has no server")
def _server_missing(place: Place) -> Path:
    return place.write("config", dict(place.servers.ca), {"token": "t"})


@case()
def _server_by_environment(place: Place) -> Run:
    user = {"token": "t"}
    config = place.write("config", dict(place.servers.ca), user)
    return Run(config, environment={"KUBERNETES_MASTER": place.url()})


@case(refuses="a server with a user name in its URL")
def _server_with_a_user_name(place: Place) -> Path:
    return place.config({"token": "t"}, place.url().replace("//", "//dana:secret@"))


# --- proxies -------------------------------------------------------------------------------------------------------


def _through(name: str, authorization: str = "") -> Callable[[Arrived], bool]:
    def check(seen: Arrived) -> bool:
        return seen.way is not None and (seen.way.proxy, seen.way.authorization) == (name, authorization)

    return check


@case(who=_through("http"))
def _proxy(place: Place) -> Path:
    names = {"tls-server-name": "kubernetes.default.svc", "proxy-url": place.proxy()}
    return place.config({"token": "t"}, place.outside, cluster=names)


@case(who=_through("http", "Basic ZGFuYTpwOnfDvA=="))
def _proxy_with_a_password(place: Place) -> Path:
    names = {"tls-server-name": "kubernetes.default.svc", "proxy-url": place.proxy(user="dana:p%3Aw%C3%BC@")}
    return place.config({"token": "t"}, place.outside, cluster=names)


@case(who=_through("https"))
def _proxy_with_tls(place: Place) -> Path:
    names = {"tls-server-name": "kubernetes.default.svc", "proxy-url": place.proxy("secured-proxy", "https")}
    return place.config({"token": "t"}, place.outside, cluster=names)


@case(sends=False, why="is not signed by")
def _proxy_with_tls_of_another_authority(place: Place) -> Path:
    encoded, _ = Pair(place.servers.other.pem, b"").encoded
    names = {"certificate-authority-data": encoded, "proxy-url": place.proxy("secured-proxy", "https")}
    return place.config({"token": "t"}, place.outside, cluster=names)


@case(who=_through("socks"))
def _proxy_with_socks(place: Place) -> Path:
    names = {"tls-server-name": "kubernetes.default.svc", "proxy-url": place.proxy("socks", "socks5")}
    return place.config({"token": "t"}, place.outside, cluster=names)


@case(who=_through("socks", "dana:secret"))
def _proxy_with_socks_and_a_password(place: Place) -> Path:
    names = {"proxy-url": place.proxy("socks", "socks5", user="dana:secret@")}
    return place.config({"token": "t"}, place.url(), cluster=names)


@case(sends=False, why="uses ftp://, which is not supported")
def _proxy_of_an_unknown_kind(place: Place) -> Path:
    return place.config({"token": "t"}, place.outside, cluster={"proxy-url": "ftp://127.0.0.1:21"})


@case(sends=False, why="through http://127.0.0.1:1: Connection refused")
def _proxy_that_is_not_there(place: Place) -> Path:
    return place.config({"token": "t"}, place.outside, cluster={"proxy-url": "http://dana:secret@127.0.0.1:1"})


@case(who=_through("http"))
def _proxy_for_plain_http(place: Place) -> Path:
    return place.config({"as": "erin"}, f"http://api.cluster.test/{place.name}", cluster={"proxy-url": place.proxy()})


@case(refuses="several groups or extra values, which cannot be sent over plain HTTP")
def _proxy_for_plain_http_and_groups(place: Place) -> Path:
    user = {"as": "erin", "as-groups": ["a", "b"]}
    return place.config(user, f"http://api.cluster.test/{place.name}", cluster={"proxy-url": place.proxy()})


@case(who=_through("http"))
def _proxy_by_flag(place: Place) -> Run:
    config = place.config(
        {"token": "t"}, place.outside, cluster={"insecure-skip-tls-verify": True, "proxy-url": "http://x:1"}
    )
    return Run(config, (f"--proxy-url={place.proxy()}",))


def _outside(place: Place, **environment: str) -> Run:
    return Run(
        place.config({"token": "t"}, place.outside, cluster={"tls-server-name": "kubernetes.default.svc"}),
        environment=environment,
    )


@case(who=_through("http"))
def _proxy_by_environment(place: Place) -> Run:
    return _outside(place, HTTPS_PROXY=place.proxy(), https_proxy="http://127.0.0.1:1", HTTP_PROXY="http://127.0.0.1:1")


@case(who=_through("http"))
def _proxy_by_environment_in_lower_case(place: Place) -> Run:
    return _outside(place, https_proxy=place.proxy().removeprefix("http://"), no_proxy="cluster.example, 127.0.0.1")


@case(who=_through("socks"))
def _proxy_by_environment_with_socks(place: Place) -> Run:
    return _outside(place, HTTPS_PROXY=place.proxy("socks", "socks5h"))


@case(sends=False, why="its name cannot be resolved")
def _proxy_not_for_this_name(place: Place) -> Run:
    return _outside(place, HTTPS_PROXY=place.proxy(), NO_PROXY="example.com, cluster.test:6443")


@case(who=_through("http"))
def _proxy_for_another_port_of_this_name(place: Place) -> Run:
    return _outside(place, HTTPS_PROXY=place.proxy(), NO_PROXY=".api.cluster.test,api.cluster.test:443,luster.test")


@case(who=lambda seen: seen.way is None)
def _proxy_never_for_loopback(place: Place) -> Run:
    return Run(place.config({"token": "t"}), environment={"HTTPS_PROXY": "http://127.0.0.1:1"})


@case(who=_through("http"))
def _proxy_for_an_address_out_of_range(place: Place) -> Run:
    config = place.config(
        {"token": "t"}, f"https://192.0.2.7:6443/{place.name}", cluster={"tls-server-name": "localhost"}
    )
    return Run(config, environment={"HTTPS_PROXY": place.proxy(), "NO_PROXY": "192.0.3.0/24,192.0.2.70,*.0.2.7"})


@case(who=_through("http"))
def _proxy_of_the_kubeconfig_before_the_environment(place: Place) -> Run:
    config = place.config({"token": "t"}, cluster={"proxy-url": place.proxy()})
    return Run(config, environment={"HTTPS_PROXY": "http://127.0.0.1:1", "NO_PROXY": "*"})


@case(who=_through("http"))
def _proxy_by_environment_for_plain_http(place: Place) -> Run:
    config = place.config({}, f"http://api.cluster.test/{place.name}")
    return Run(config, environment={"HTTP_PROXY": place.proxy(), "HTTPS_PROXY": "http://127.0.0.1:1"})


# --- several files, contexts, flags --------------------------------------------------------------------------------


@case(who=lambda seen: seen.authorization == "Bearer first")
def _files_of_which_the_first_wins(place: Place) -> Run:
    first = place.config({"token": "first"}, name="first")
    second = place.config({"token": "second"}, "https://127.0.0.1:1", name="second")
    return Run(f"{place.folder}/gone:{first}:{first}:{second}")


@case(who=lambda seen: seen.authorization == "Bearer second")
def _files_that_complete_each_other(place: Place) -> Run:
    place.file("b/ca", place.servers.authority.pem)
    place.file("c/token", "second")
    first = place.file("a/config", json.dumps({"current-context": "c"}))
    cluster = {"server": place.url(), "certificate-authority": "ca"}
    second = place.file(
        "b/config", json.dumps({"clusters": [{"name": "c", "cluster": cluster}], "current-context": "x"})
    )
    third = place.write("c/config", {"server": "https://127.0.0.1:1"}, {"tokenFile": "token"})
    return Run(f"{first}:{second}:{third}")


@case(who=lambda seen: seen.authorization == "Bearer t")
def _files_of_which_one_is_empty(place: Place) -> Run:
    return Run(f"{place.file('empty', '')}:{place.file('comment', '# nothing')}:{place.config({'token': 't'})}")


@case(sends=False, why="kubeconfig .*broken is not usable")
def _files_of_which_one_is_broken(place: Place) -> Run:
    return Run(f"{place.config({'token': 't'})}:{place.file('broken', 'a: [')}")


@case(sends=False, why="Is a directory")
def _files_of_which_one_is_a_folder(place: Place) -> Run:
    return Run(f"{place.config({'token': 't'})}:{place.folder}")


@case(sends=False, why="there are two 'u' under users")
def _two_users_of_a_name(place: Place) -> Path:
    users = [{"name": "u", "user": {"token": each}} for each in ("t", "s")]
    return place.write("config", {"server": place.url()} | place.servers.ca, {}, users=users)


@case()
def _yaml_with_what_nobody_knows(place: Place) -> Path:
    text = f"""\
        kind: Config
        preferences: {{colors: true}}
        made: 2026-01-02
        current-context: ! "c"
        contexts: &all
        - {{name: c, context: {{cluster: c, user: u, extensions: [{{name: x, extension: {{1: 2}}}}]}}}}
        extensions: null
        clusters:
        - name: c
          cluster:
            server: '{place.url()}'
            certificate-authority-data: {place.servers.ca["certificate-authority-data"]}
        - {{name: other, cluster: null}}
        users:
        - {{name: u, user: {{token: 2026-01-02, username: null, impersonate: erin}}}}
        ---
        kind: Something
        """
    return place.file("config", textwrap.dedent(text))


@case()
def _json_with_tabs(place: Place) -> Path:
    path = place.config({"token": "t"})
    path.write_text(json.dumps(json.loads(path.read_text()), indent="\t"))
    return path


@case(sends=False, why="not Config of v1")
def _file_of_another_kind(place: Place) -> Path:
    return place.write("config", {"server": place.url()} | place.servers.ca, {"token": "t"}, kind="Pod")


@case(sends=False, why="has no current context: --context is one of c")
def _no_current_context(place: Place) -> Path:
    cluster = {"server": place.url()} | place.servers.ca
    return place.write("config", cluster, {"token": "t"}, **{"current-context": ""})


@case()
def _context_by_flag(place: Place) -> Run:
    cluster = {"server": place.url()} | place.servers.ca
    return Run(place.write("config", cluster, {"token": "t"}, **{"current-context": "gone"}), ("--context=c",))


@case(sends=False, why="no 'gone' under contexts")
def _context_missing(place: Place) -> Path:
    return place.write("config", {"server": place.url()}, {"token": "t"}, **{"current-context": "gone"})


@case(sends=False, why="no 'gone' under contexts")
def _context_missing_by_flag(place: Place) -> Run:
    return Run(place.config({"token": "t"}), ("--context=gone",))


@case(sends=False, why="holds no token")
def _user_missing(place: Place) -> Path:
    contexts = [{"name": "c", "context": {"cluster": "c", "user": "gone"}}]
    return place.write("config", {"server": place.url()} | place.servers.ca, {"token": "t"}, contexts=contexts)


@case(sends=False, why="no 'gone' under clusters")
def _cluster_missing(place: Place) -> Path:
    contexts = [{"name": "c", "context": {"cluster": "gone", "user": "u"}}]
    return place.write("config", {"server": place.url()}, {"token": "t"}, contexts=contexts)


@case(who=lambda seen: seen.authorization == "Bearer v")
def _user_and_cluster_by_flags(place: Place) -> Run:
    config = place.write(
        "config",
        {"server": "https://127.0.0.1:1"},
        {"token": "u"},
        users=[{"name": "u", "user": {"token": "u"}}, {"name": "v", "user": {"token": "v"}}],
        clusters=[
            {"name": "c", "cluster": {"server": "x:1"}},
            {"name": "d", "cluster": {"server": place.url()} | place.servers.ca},
        ],
    )
    return Run(config, ("--user=v", "--cluster=d"))


@case(sends=False, why="has no user 'gone': --user is one of u")
def _user_missing_by_flag(place: Place) -> Run:
    return Run(place.config({"token": "t"}), ("--user=gone", "--token=s"))


@case(sends=False, why="has no cluster 'gone'")
def _cluster_missing_by_flag(place: Place) -> Run:
    return Run(place.config({"token": "t"}), ("--cluster=gone", f"--server={place.url()}"))


@case(who=lambda seen: seen.authorization == "Bearer s")
def _token_by_flag(place: Place) -> Run:
    return Run(place.config({"token": "t"}), ("--token=s",))


@case(who=lambda seen: seen.authorization == "Bearer from-file")
def _token_by_flag_beside_a_file(place: Place) -> Run:
    place.file("token", "from-file")
    return Run(place.config({"tokenFile": "token"}), ("--token=s",))


@case(who=lambda seen: seen.authorization == "Bearer s")
def _token_by_flag_beside_a_plugin(place: Place) -> Run:
    return Run(place.config(place.exec()), ("--token=s",))


@case(sends=False, why="both a token and a user name")
def _token_by_flag_beside_a_password(place: Place) -> Run:
    return Run(place.config({"username": "dana", "password": "secret"}), ("--token=s",))


@case(who=lambda seen: seen.certificate == "erin")
def _certificate_by_flags(place: Place) -> Run:
    certificate = place.file("erin.crt", place.servers.second.certificate)
    key = place.file("erin.key", place.servers.second.key)
    config = place.config(_pair(place.servers.client))
    return Run(config, (f"--client-certificate={certificate}", f"--client-key={key}"))


@case(sends=False, why="cannot be used")
def _certificate_by_flag_without_its_key(place: Place) -> Run:
    certificate = place.file("erin.crt", place.servers.second.certificate)
    return Run(place.config(_pair(place.servers.client)), (f"--client-certificate={certificate}",))


@case(who=lambda seen: seen.authorization == "Bearer s")
def _flags_without_kubeconfig(place: Place) -> Run:
    ca = place.file("ca", place.servers.authority.pem)
    return Run("", (f"--server={place.url()}", f"--certificate-authority={ca}", "--token=s"))


@case(sends=False, why="no kubeconfig")
def _nothing_at_all(place: Place) -> Run:
    return Run("")


@case(sends=False, why="of which none is there")
def _kubeconfig_missing(place: Place) -> Run:
    return Run(f"{place.folder}/gone:{place.folder}/gone-too")


@case(sends=False, why="it is not there")
def _kubeconfig_by_flag_missing(place: Place) -> Run:
    return Run(place.config({"token": "t"}), (f"--kubeconfig={place.folder}/gone",))


@case(who=lambda seen: seen.authorization == "Bearer home")
def _kubeconfig_at_home(place: Place) -> Run:
    place.config({"token": "home"}, name="home/.kube/config")
    return Run("", environment={"HOME": f"{place.folder}/home"})


@case(who=lambda seen: seen.authorization == "Bearer flag")
def _kubeconfig_by_flag(place: Place) -> Run:
    config = place.config({"token": "flag"}, name="sub/other")
    return Run(place.config({"token": "t"}), ("--kubeconfig=sub/other",), folder=str(config.parents[1]))


def _asking(place: Place, mode: str) -> Document:
    """Give a user whose plugin makes a token of the line that it reads."""
    script = f"""\
        #!/bin/sh
        read -r answer || answer=nobody
        echo '{{"apiVersion": "{_V1}", "kind": "ExecCredential", "status": {{"token": "'"$answer"'"}}}}'
        """
    return place.exec(command=str(place.file("asking", textwrap.dedent(script), 0o700)), interactiveMode=mode)


def _telling(place: Place, **fields: Any) -> Document:
    """Give a user whose plugin makes a token of what it is told, but for fields that are null."""
    script = f"""\
        #!{sys.executable} -SE
        import base64, json, os

        def known(value):
            if isinstance(value, dict):
                return {{key: known(each) for key, each in value.items() if each is not None}}
            return value

        told = known(json.loads(os.environ["KUBERNETES_EXEC_INFO"]))
        token = base64.urlsafe_b64encode(json.dumps(told, sort_keys=True).encode()).decode().rstrip("=")
        print(json.dumps({{"apiVersion": told["apiVersion"], "kind": "ExecCredential", "status": {{"token": token}}}}))
        """
    command = place.file("telling", textwrap.dedent(script), 0o700)
    return place.exec(command=str(command), **fields)


def _kuberc(place: Place, **fields: Any) -> Path:
    return place.file(
        "kuberc", json.dumps({"apiVersion": "kubectl.config.k8s.io/v1beta1", "kind": "Preference"} | fields)
    )


# --- the comparison ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ran:
    """What one program did: what arrived of it, its exit code, and what it said."""

    arrived: Sequence[Arrived]
    code: int
    said: str


@dataclass(frozen=True)
class Both:
    """kubectl and the plugin."""

    kubectl: Ran
    plugin: Ran


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    """Servers with good and bad certificates, and proxies."""
    ours, other = Authority("ours"), Authority("other")
    below = Authority("below", other)
    names = [*LOOPBACK, *map(x509.DNSName, ("localhost", "kubernetes.default.svc", "api.cluster.test"))]
    certificates = {
        "secured": ours.issue("kubernetes", names),
        "other": other.issue("kubernetes", names),
        "below": below.issue("kubernetes", names),
        "expired": ours.issue("kubernetes", names, days=(-9, -1)),
        "early": ours.issue("kubernetes", names, days=(1, 9)),
        "nameless": ours.issue("127.0.0.1"),
    }
    with listening(ours, certificates) as loopback:
        yield Servers(loopback, ours, other, below, ours.issue("dana"), ours.issue("erin"))


@pytest.fixture(scope="module")
def results(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Both]:
    """Run all cases, two at a time."""
    kubectl = provide([Binary.KUBECTL], any_kubectl=True)[Binary.KUBECTL]
    folder = tmp_path_factory.mktemp("kubeconfigs")

    with ExitStack() as stack, ThreadPoolExecutor(_AT_ONCE) as pool:
        idle: queue.SimpleQueue[Plugin] = queue.SimpleQueue()
        for _ in range(_AT_ONCE):
            idle.put(stack.enter_context(Plugin()))

        def run(name: str) -> Both:
            place = Place(name, folder / name, servers)
            place.folder.mkdir()
            made = CASES[name].make(place)
            made = made if isinstance(made, Run) else Run(made)
            plugin = idle.get()
            try:
                return Both(_of_kubectl(place, made, kubectl), _of_plugin(place, made, plugin))
            finally:
                idle.put(plugin)

        return dict(zip(CASES, pool.map(run, CASES), strict=True))


def _of_kubectl(place: Place, made: Run, program: Path) -> Ran:
    with _stdin(made.typed) as stdin, open(stdin) as opened:
        done = subprocess.run(
            [program, "get", "--raw=/by-kubectl", *made.arguments],
            env=_environment(place, made),
            cwd=made.folder or "/",
            stdin=opened,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    return Ran(_arrived(place, "by-kubectl"), done.returncode, done.stderr + done.stdout)


def _of_plugin(place: Place, made: Run, plugin: Plugin) -> Ran:
    with _stdin(made.typed) as stdin:
        code, said = plugin.run(["pending", *made.arguments], _environment(place, made), made.folder or "/", stdin)
    return Ran(_arrived(place, "apis"), code, said)


def _environment(place: Place, made: Run) -> dict[str, str]:
    known = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(place.folder / "nobody"),
        "KUBERC": "off",
        "KUBECONFIG": str(made.config),
    }
    return {key: value for key, value in {**known, **made.environment}.items() if value}


def _arrived(place: Place, below: str) -> list[Arrived]:
    return place.servers.loopback.at(f"/{place.name}/{below}")


@contextmanager
def _stdin(typed: str) -> Iterator[str]:
    """Give the path of an empty file, or of a terminal at which somebody has typed this."""
    if not typed:
        yield os.devnull
        return
    ours, theirs = pty.openpty()
    try:
        os.write(ours, f"{typed}\n".encode())
        yield os.ttyname(theirs)
    finally:
        os.close(theirs)
        os.close(ours)


@pytest.mark.parametrize("name", CASES)
def test_who_asks_is_whom_kubectl_would_ask_as(results: dict[str, Both], name: str) -> None:
    """The same credential, for the same person, to the same server, the same way; or a refusal in one line."""
    expected, both = CASES[name], results[name]
    assert [seen for seen in both.kubectl.arrived if not expected.who(seen)] == []
    assert bool(both.kubectl.arrived) == expected.sends, both.kubectl.said
    if expected.sends and not expected.refuses:
        assert both.plugin.code == 0, both.plugin.said
        assert [seen.who for seen in both.plugin.arrived] == [seen.who for seen in both.kubectl.arrived]
        return
    assert both.plugin.arrived == []
    assert both.kubectl.code == 0 or not expected.sends
    assert both.plugin.code == 1
    (line,) = both.plugin.said.splitlines()
    assert line.startswith("error: ")
    assert re.search(expected.refuses or expected.why, line), line
    assert "secret" not in line


def test_many_kubeconfigs_are_compared() -> None:
    """Every field of the API is in one of them."""
    assert len(CASES) > 100
    assert len([each for each in CASES.values() if each.refuses]) <= 4
    assert os.sep not in "".join(CASES)
