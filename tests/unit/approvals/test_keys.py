"""Which public keys may be registered."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.support import signing
from tests.support.fido import Authenticator, Passkey
from tests.support.signing import mpint, string

from seconder.api.policy import Assurance
from seconder.approvals import keys
from seconder.approvals.keys import KeyType, UnusableKey

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P
KINDS = [("ed25519", None), ("ecdsa", 256), ("ecdsa", 384), ("rsa", 3072)]


def _ed25519(y: int, sign: int = 0) -> bytes:
    return string(b"ssh-ed25519") + string((y | sign << 255).to_bytes(32, "little"))


def _line(blob: bytes, kind: str = "ssh-ed25519") -> str:
    return f"{kind} {base64.b64encode(blob).decode()} somebody"


def _add(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    """Add two points of Edwards25519 (RFC 8032 section 5.1.4, in affine form)."""
    (x1, y1), (x2, y2) = one, other
    product = D * x1 * x2 * y1 * y2
    x = (x1 * y2 + x2 * y1) * pow(1 + product, -1, P)
    y = (y1 * y2 + x1 * x2) * pow(1 - product, -1, P)
    return x % P, y % P


def _x(y: int) -> int | None:
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    root = pow(square, (P + 3) // 8, P)
    if root * root % P != square:
        root = root * pow(2, (P - 1) // 4, P) % P
    return root if root * root % P == square else None


def _small_order_points() -> list[tuple[int, int]]:
    """Find the subgroup of order 8, by clearing the large factor from an arbitrary point."""
    order = 2**252 + 27742317777372353535851937790883648493
    for y in range(2, 100):
        x = _x(y)
        if x is None:
            continue
        result, addend = (0, 1), (x, y)
        for bit in range(order.bit_length()):
            if order >> bit & 1:
                result = _add(result, addend)
            addend = _add(addend, addend)
        points = [result]
        while points[-1] != (0, 1):
            points.append(_add(points[-1], result))
        if len(points) == 8:
            return points
    raise AssertionError("no generator found")


@pytest.mark.parametrize(("kind", "bits"), KINDS)
def test_a_key_of_ssh_keygen_is_taken_with_the_fingerprint_that_it_prints(kind: str, bits: int | None) -> None:
    """Every type that people have parses, and is named as their own tools name it."""
    line = signing.key("alice", kind, bits).line
    public = keys.parse_line(line)
    assert public.fingerprint == signing.ssh_fingerprint(line)
    assert public.type == line.split()[0]
    assert public.best_assurance is Assurance.SOFTWARE


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
def test_a_security_key_can_prove_that_a_human_was_verified(kind: str) -> None:
    """The key allows the highest tier; what a signature proves is another matter."""
    device = Authenticator(kind)
    public = keys.parse_line(device.line)
    assert public.fingerprint == signing.ssh_fingerprint(device.line)
    assert public.application == b"ssh:"
    assert public.best_assurance is Assurance.VERIFIED


def test_every_small_order_point_is_refused_in_every_encoding() -> None:
    """Anybody can sign for these: each of the eight, either sign, the encodings above the prime too."""
    points = _small_order_points()
    ys = {y for _, y in points} | {y + P for _, y in points if y + P < 2**255}
    assert len(points) == 8
    assert len(ys) == 7
    for y in ys:
        for sign in (0, 1):
            with pytest.raises(UnusableKey, match="small order"):
                keys.parse(_ed25519(y, sign))


def test_a_point_that_is_not_on_the_curve_is_refused() -> None:
    """Such a key could never verify anything."""
    off = next(y for y in range(2, 100) if _x(y) is None)
    with pytest.raises(UnusableKey, match="not a point"):
        keys.parse(_ed25519(off))


def test_an_ed25519_key_has_one_encoding() -> None:
    """A y above the field's prime would be a second name for the same key."""
    on = next(y for y in range(2, 19) if _x(y) is not None)
    keys.parse(_ed25519(on))
    with pytest.raises(UnusableKey, match="canonical"):
        keys.parse(_ed25519(on + P))


def test_an_ed25519_key_of_another_length_is_refused() -> None:
    """32 bytes, no more and no less."""
    for length in (0, 31, 33):
        with pytest.raises(UnusableKey, match="32 bytes"):
            keys.parse(string(b"ssh-ed25519") + string(b"\x09" * length))


@pytest.mark.parametrize("bits", [1024, 2048, 3071])
def test_a_short_rsa_key_is_refused(bits: int) -> None:
    """3,072 bits at least."""
    blob = string(b"ssh-rsa") + mpint(65537) + mpint(2 ** (bits - 1) + 1)
    with pytest.raises(UnusableKey, match=f"{bits} bits"):
        keys.parse(blob)


def test_an_overlong_rsa_key_is_refused() -> None:
    """Its verification would cost more than a review may."""
    with pytest.raises(UnusableKey, match="8193 bits"):
        keys.parse(string(b"ssh-rsa") + mpint(65537) + mpint(2**8192 + 1))


@pytest.mark.parametrize("exponent", [1, 3, 65536, 65538, 2**32 + 1])
def test_a_strange_rsa_exponent_is_refused(exponent: int) -> None:
    """With exponent 1 the message itself would be the signature."""
    modulus = rsa.generate_private_key(65537, 3072).public_key().public_numbers().n if exponent == 1 else 2**3071 + 1
    with pytest.raises(UnusableKey, match="exponent"):
        keys.parse(string(b"ssh-rsa") + mpint(exponent) + mpint(modulus))


def test_an_even_rsa_modulus_is_refused() -> None:
    """No product of two odd primes is even."""
    with pytest.raises(UnusableKey, match="even"):
        keys.parse(string(b"ssh-rsa") + mpint(65537) + mpint(2**3071))


def test_numbers_have_one_encoding() -> None:
    """A needless zero byte, a sign bit or an empty number would be a second name for a key, or none."""
    modulus = string(b"\x00" + (2**3071 + 1).to_bytes(384, "big"))
    for exponent in (b"", b"\x00", b"\x00\x01\x00\x01", b"\x81\x00\x01"):
        with pytest.raises(UnusableKey, match="number"):
            keys.parse(string(b"ssh-rsa") + string(exponent) + modulus)


def test_types_that_are_not_taken_are_named_in_words() -> None:
    """P-521, DSA and certificates are refused, the last two by what they are."""
    with pytest.raises(UnusableKey, match="of this type"):
        keys.parse_line(signing.key("alice", "ecdsa", 521).line)
    with pytest.raises(UnusableKey, match="DSA"):
        keys.parse(string(b"ssh-dss") + mpint(5))
    with pytest.raises(UnusableKey, match="certificate"):
        keys.parse(string(b"ssh-ed25519-cert-v01@openssh.com") + string(b"x"))
    with pytest.raises(UnusableKey, match="of this type"):
        keys.parse(string(b"ssh-\xff"))


def test_an_ecdsa_point_must_lie_on_the_curve_that_its_type_names() -> None:
    """Another curve's name, a compressed point, the point at infinity and a point beside the curve are refused."""
    blob = signing.key("alice", "ecdsa", 256).blob
    kind, curve, point = signing.strings_in(blob)
    for name, encoded, problem in (
        (b"nistp384", point, "another curve"),
        (curve, b"\x02" + point[1:33], "uncompressed"),
        (curve, b"\x00", "uncompressed"),
        (curve, b"\x06" + point[1:], "uncompressed"),
        (curve, point[:-1] + bytes([point[-1] ^ 1]), "on its curve"),
    ):
        with pytest.raises(UnusableKey, match=problem):
            keys.parse(string(kind) + string(name) + string(encoded))


@pytest.mark.parametrize("host", ["approve.example.com", "localhost", "a", "xn--bcher-kva.example", "a-b.c1"])
def test_a_passkey_is_registered_by_the_host_of_its_page(host: str) -> None:
    """The application of what a browser makes is the host; ssh-keygen reads the same line."""
    device = Passkey(host)
    public = keys.parse_line(device.line)
    assert (public.application, public.of_page) == (host.encode(), True)
    assert public.fingerprint == signing.ssh_fingerprint(device.line)
    assert public.best_assurance is Assurance.VERIFIED
    assert not keys.parse_line(Authenticator("ecdsa").line).of_page


@pytest.mark.parametrize(
    "host",
    [
        *["", "Example.com", "https://example.com", "example.com.", ".example.com", "a..b", "-a.b", "a_b", "10.0.0.1"],
        *[
            "example.com:8443",
            "example.com/",
            "example.com\n",
            "ex ample",
            '"',
            "*.example.com",
            "é.example",
            "a." * 128,
        ],
    ],
)
def test_an_application_that_is_no_host_is_refused(host: str) -> None:
    """Another spelling of a host, an address, an origin: no browser makes a key for it."""
    with pytest.raises(UnusableKey, match="application"):
        keys.parse_line(Passkey(host).line)


def test_an_ed25519_security_key_is_no_passkey() -> None:
    """OpenSSH has no form for the signature that a browser would make with it."""
    with pytest.raises(UnusableKey, match="application"):
        keys.parse_line(Authenticator(application=b"example.com").line)


def test_a_key_with_trailing_or_missing_bytes_is_refused() -> None:
    """The encoding is the key's identity: there is one."""
    blob = signing.key("alice").blob
    with pytest.raises(UnusableKey, match="trailing"):
        keys.parse(blob + b"\x00")
    for length in range(len(blob)):
        with pytest.raises(UnusableKey):
            keys.parse(blob[:length])


def test_a_line_may_have_a_comment_and_spaces_around_it() -> None:
    """As files and YAML blocks give it."""
    line = signing.key("alice").line
    kind, text, _ = line.split()
    for given in (f"{kind} {text}", f"  {kind}\t{text}  a comment of many words\n"):
        assert keys.parse_line(given) == keys.parse_line(line)


def test_a_line_that_is_not_type_and_key_is_refused() -> None:
    """Options, a second line, another type's name, loose base64 and rubbish register nothing."""
    kind, text, _ = signing.key("alice").line.split()
    for given in (
        "",
        kind,
        f"{kind} {text}\n{kind} {text}",
        f"ssh-rsa {text}",
        f'from="*" {kind} {text}',
        f"{kind} {text[:-1]}",
        f"{kind} {text}=",
        f"{kind} {text[:40]}-{text[41:]}",
        f"{kind} AAAA",
        f"{kind} \ud800",
        f"{kind} {text} " + "x" * 5000,
    ):
        with pytest.raises(UnusableKey):
            keys.parse_line(given)


def test_base64_has_one_spelling() -> None:
    """Trailing bits that no encoder writes would be a second spelling of the same key."""
    blob = signing.key("alice", "ecdsa", 256).blob
    text = base64.b64encode(blob).decode()
    assert text.endswith("=")
    assert not text.endswith("==")
    other = text[:-2] + chr(ord(text[-2]) + 1) + "="
    assert base64.b64decode(other) == blob
    with pytest.raises(UnusableKey, match="base64"):
        keys.blob_of_line(f"ecdsa-sha2-nistp256 {other}")


def test_a_blob_can_be_named_even_when_the_key_is_unusable() -> None:
    """The status of an Approver shows the fingerprint of a key that does not count."""
    assert keys.blob_of_line(_line(_ed25519(1))) == _ed25519(1)


def test_all_key_types_are_the_ones_that_are_documented() -> None:
    """A type added without thought would be a type accepted without thought."""
    assert sorted(KeyType) == [
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "sk-ecdsa-sha2-nistp256@openssh.com",
        "sk-ssh-ed25519@openssh.com",
        "ssh-ed25519",
        "ssh-rsa",
    ]
