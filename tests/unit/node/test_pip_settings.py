"""What of a machine's pip settings goes into a build."""

from pathlib import Path

from node.pip_settings import build_settings


def test_what_leads_to_the_registry_is_passed_on_and_nothing_else() -> None:
    """Folders of this machine mean nothing in the build."""
    listed = (
        "global.index-url='https://mirror.example/simple'\n:env:.find-links='/opt/wheels'\nglobal.proxy='http://p:1'\n"
    )
    text, authority = build_settings(listed, {})
    assert text == "[global]\nindex-url = https://mirror.example/simple\nproxy = http://p:1\n"
    assert authority is None


def test_a_variable_beats_a_file() -> None:
    """As for pip itself, whatever the order of the list."""
    text, _ = build_settings(":env:.index-url='https://b.example'\nglobal.index-url='https://a.example'\n", {})
    assert text == "[global]\nindex-url = https://b.example\n"


def test_an_authority_is_named_by_its_place_in_the_build() -> None:
    """The file itself comes as a secret."""
    text, authority = build_settings("global.cert='/etc/ssl/own.pem'\n", {"SSL_CERT_FILE": "/etc/ssl/other.pem"})
    assert text == "[global]\ncert = /run/secrets/ca.pem\n"
    assert authority == Path("/etc/ssl/own.pem")


def test_the_authorities_of_the_environment_count_too() -> None:
    """Where pip has no setting of its own."""
    _, authority = build_settings("", {"SSL_CERT_FILE": "/etc/ssl/other.pem"})
    assert authority == Path("/etc/ssl/other.pem")
