"""Certificates for tests, good and odd ones, made by python3-cryptography: an implementation that shares nothing with
Elexgate's own but the standard. Nothing is ever committed."""
import datetime
import ipaddress
import os
import pathlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAY = datetime.timedelta(days=1)


def make_key(kind="p256"):
    if kind == "p256":
        return ec.generate_private_key(ec.SECP256R1())
    if kind == "p384":
        return ec.generate_private_key(ec.SECP384R1())
    if kind == "brainpool":
        return ec.generate_private_key(ec.BrainpoolP256R1())
    if kind == "secp256k1":
        return ec.generate_private_key(ec.SECP256K1())
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(65537, int(kind.removeprefix("rsa")))


def write_key(path, key, password=None, mode=0o600):
    how = serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
    data = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as f:
        f.write(data)
    os.chmod(path, mode)


def pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


class Leaf:
    """A certificate with its key. Files: .certificate (the leaf and the chain above it), .key."""

    def __init__(self, folder, name, certificate, key, chain=()):
        self.x509, self.private_key = certificate, key
        self.certificate = pathlib.Path(folder) / f"{name}.pem"
        self.key = pathlib.Path(folder) / f"{name}.key"
        self.certificate.write_bytes(b"".join(pem(c) for c in (certificate, *chain)))
        write_key(self.key, key)

    @property
    def fingerprint(self):
        """SHA-256 of the DER, lower-case hex."""
        return self.x509.fingerprint(hashes.SHA256()).hex()


class Authority:
    """A CA. parent: makes it an intermediate. not_after: days from now."""

    def __init__(self, folder, name="ca", common_name="Elexgate Test-CA", kind="p256", parent=None, not_after=3650):
        self.folder = pathlib.Path(folder)
        self.key = make_key(kind)
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
        issuer = parent or self
        public = self.key.public_key()
        self.certificate = (
            x509.CertificateBuilder().subject_name(self.name).issuer_name(issuer.name).public_key(public)
            .serial_number(x509.random_serial_number()).not_valid_before(now - _DAY).not_valid_after(now + not_after * _DAY)
            .add_extension(x509.BasicConstraints(True, None), critical=True)
            .add_extension(x509.KeyUsage(False, False, False, False, False, True, True, False, False), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False)
            .sign(issuer.key, _digest(issuer.key)))
        self.chain = (self.certificate, *parent.chain) if parent else ()
        self.file = self.folder / f"{name}.pem"
        self.file.write_bytes(pem(self.certificate))

    def issue(self, name, dns=("localhost",), ips=("127.0.0.1", "::1"), kind="p256", not_before=-1, not_after=365,
              client=False, common_name=None, key=None, only_encipher=False):
        """A Leaf. not_before/not_after: days from now. Without dns and ips it has no subjectAltName at all. only_encipher: a key
        usage as for TLS without forward secrecy."""
        key = key or make_key(kind)
        now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
        usage = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name or name)]))
            .issuer_name(self.name).public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now + not_before * _DAY).not_valid_after(now + not_after * _DAY)
            .add_extension(x509.BasicConstraints(False, None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False))
        names = [x509.DNSName(d) for d in dns] + [x509.IPAddress(ipaddress.ip_address(i)) for i in ips]
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        if only_encipher:
            builder = builder.add_extension(x509.KeyUsage(False, False, True, False, False, False, False, False, False), critical=True)
        return Leaf(self.folder, name, builder.sign(self.key, _digest(self.key)), key, self.chain)


def cross_sign(authority, by, not_after=3650):
    """The authority's name and key, signed by another one."""
    now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    public = authority.key.public_key()
    return (x509.CertificateBuilder().subject_name(authority.name).issuer_name(by.name).public_key(public)
            .serial_number(x509.random_serial_number()).not_valid_before(now - 2 * _DAY).not_valid_after(now + not_after * _DAY)
            .add_extension(x509.BasicConstraints(True, None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.key.public_key()), critical=False)
            .sign(by.key, _digest(by.key)))


def self_signed(folder, name, dns=("localhost",), ips=("127.0.0.1", "::1")):
    """A Leaf that nobody else has signed."""
    key = make_key()
    now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    names = [x509.DNSName(d) for d in dns] + [x509.IPAddress(ipaddress.ip_address(i)) for i in ips]
    certificate = (
        x509.CertificateBuilder().subject_name(who).issuer_name(who).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - _DAY).not_valid_after(now + 365 * _DAY)
        .add_extension(x509.BasicConstraints(False, None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False).sign(key, _digest(key)))
    return Leaf(folder, name, certificate, key)


def _digest(key):
    return None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()


class Pki:
    """What most tests need: .ca_file, .server (P-256, localhost, 127.0.0.1, ::1), and an unrelated .other_ca_file."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.ca = Authority(self.folder)
        self.ca_file = self.ca.file
        self.server = self.ca.issue("server", common_name="localhost")
        self.other_ca = Authority(self.folder, "other-ca", "Somebody else's CA")
        self.other_ca_file = self.other_ca.file

    def odd(self, what):
        """A server certificate that a client or the proxy must refuse, or that is merely unusual."""
        make = {
            "rsa": lambda: self.ca.issue("rsa", kind="rsa3072"),
            "expired": lambda: self.ca.issue("expired", not_before=-30, not_after=-1),
            "future": lambda: self.ca.issue("future", not_before=10, not_after=30),
            "wrong-host": lambda: self.ca.issue("wrong-host", dns=("elsewhere.example",), ips=("192.0.2.1",)),
            "no-san": lambda: self.ca.issue("no-san", dns=(), ips=()),
            "other-ca": lambda: self.other_ca.issue("other-server"),
            "weak": lambda: self.ca.issue("weak", kind="rsa1024"),
            "intermediate": lambda: Authority(self.folder, "sub-ca", "Elexgate Test-Zwischen-CA", parent=self.ca)
            .issue("intermediate"),
        }
        return make[what]()
