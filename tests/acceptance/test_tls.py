"""TLS on both sides, with a certificate authority of the test's own."""

import datetime
import getpass
import ipaddress
import ssl
import time

import httpx
import paho.mqtt.client as paho
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID
from harness import Mosquitto, Mqtt, free_port, until
from upsd import Upsd


class Authority:
    """A certificate authority with one certificate for 127.0.0.1."""

    def __init__(self, folder):
        folder.mkdir(parents=True)
        self.ca, self.cert, self.key = (folder / name for name in ("ca", "cert", "key"))
        now = datetime.datetime.now(datetime.timezone.utc)
        span = (now - datetime.timedelta(days=1), now + datetime.timedelta(days=30))
        root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        root_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])

        def builder(subject, public):
            return (x509.CertificateBuilder().subject_name(subject).issuer_name(root_name)
                    .public_key(public).serial_number(x509.random_serial_number())
                    .not_valid_before(span[0]).not_valid_after(span[1]))

        root = (builder(root_name, root_key.public_key())
                .add_extension(x509.BasicConstraints(True, None), True)
                .add_extension(x509.KeyUsage(False, False, False, False, False, True, True,
                                             False, False), True)
                .sign(root_key, hashes.SHA256()))
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
        places = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
        cert = (builder(name, key.public_key())
                .add_extension(x509.BasicConstraints(False, None), True)
                .add_extension(x509.SubjectAlternativeName(places), False)
                .sign(root_key, hashes.SHA256()))
        pem = serialization.Encoding.PEM
        self.ca.write_bytes(root.public_bytes(pem))
        self.cert.write_bytes(cert.public_bytes(pem) + root.public_bytes(pem))
        self.key.write_bytes(key.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        self._own = (key, cert)

    def bundle(self, name, password):
        """Key and certificate as PKCS #12."""
        return pkcs12.serialize_key_and_certificates(
            name, *self._own, None, serialization.BestAvailableEncryption(password))


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """The one that is trusted."""
    return Authority(tmp_path_factory.mktemp("tls") / "good")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    """One that nobody trusts."""
    return Authority(tmp_path_factory.mktemp("tls") / "bad")


def test_the_rest_bridge_speaks_tls(home, authority, stranger):
    service = home({"api": {"tls": {"cert": str(authority.cert), "key": str(authority.key)}}})
    service.start()
    assert f"https://127.0.0.1:{service.api_port}" in service.banner()
    trust = ssl.create_default_context(cafile=str(authority.ca))
    assert httpx.get(f"{service.url}/healthz", verify=trust).status_code == 200
    with pytest.raises(httpx.ConnectError):
        distrust = ssl.create_default_context(cafile=str(stranger.ca))
        httpx.get(f"{service.url}/healthz", verify=distrust)
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://127.0.0.1:{service.api_port}/healthz")
    assert service.get("summary")["verdict"]


def test_the_embedded_broker_speaks_tls(home, authority, stranger):
    port = free_port()
    tls = {"listen": f"127.0.0.1:{port}", "cert": str(authority.cert), "key": str(authority.key)}
    service = home({"mqtt": {"embedded": {"tls": tls}}}).start()
    mqtt = service.keep(Mqtt(port, "homewatch/#", cafile=authority.ca))
    mqtt.wait("homewatch/box/status", lambda m: m.text == "online")
    assert mqtt.command("alert/nothing/ack")["ok"] is False
    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    client.tls_set_context(ssl.create_default_context(cafile=str(stranger.ca)))
    with pytest.raises(ssl.SSLError):
        client.connect("127.0.0.1", port)


def broker_of(folder, authority):
    """A Mosquitto that speaks TLS; as the user of the tests, who may read the key."""
    return Mosquitto(folder, listener=f"certfile {authority.cert}\nkeyfile {authority.key}\n",
                     config=f"allow_anonymous true\nuser {getpass.getuser()}\n").start()


def test_an_outside_broker_is_reached_over_tls_and_checked(home, authority, stranger, tmp_path):
    broker = broker_of(tmp_path / "tls-broker", authority)
    try:
        url = {"url": f"mqtts://127.0.0.1:{broker.port}"}
        service = home({"mqtt": {"broker": {**url, "ca_file": str(authority.ca)}}}).start()
        mqtt = service.keep(Mqtt(broker.port, "homewatch/#", cafile=authority.ca))
        mqtt.wait("homewatch/box/status", lambda m: m.text == "online")

        wary = home({"node": {"name": "wary"},
                     "mqtt": {"broker": {**url, "ca_file": str(stranger.ca)}}}).start()
        until(lambda: "certificate" in wary.log().lower(), "a word of the certificate")
        assert not mqtt.heard("homewatch/wary/#")
    finally:
        broker.close()


def test_a_ups_is_asked_over_tls_and_one_that_is_not_trusted_is_told_once(
        home, authority, stranger, tmp_path):
    upsd = Upsd(tmp_path / "u")
    upsd.certify(authority)
    try:
        upsd.start()
        for ca, want in [(authority.ca, "on_mains"), (stranger.ca, None)]:
            server = {"address": f"127.0.0.1:{upsd.port}", "username": "homewatch",
                      "password": "se cret", "tls": "required", "ca_file": str(ca)}
            service = home({"node": {"interval": "1s"}, "collect": {"ups": {
                "nut": "off", "apcupsd": "off", "servers": {"real": server}}}}).start()
            mqtt = service.mqtt("homewatch/box/health/#")
            if want:
                told = mqtt.wait("homewatch/box/health/ups-rack", lambda m: m.json["state"] == want)
                assert told.json["charge_pct"] == 100
            else:
                until(lambda: "give its authority as ca_file" in service.log(), "the remedy")
                time.sleep(4)
                assert not mqtt.heard("homewatch/box/health/ups-rack")
                assert service.log().count("TLS with it") == 2, "by the server and the collector"
                assert "ERROR" not in service.log()
            service.close()
    finally:
        upsd.close()


@pytest.mark.parametrize("section", ["api", "embedded"])
def test_a_certificate_that_is_none_is_told_before_anything_starts(home, authority, section):
    service = home()
    broken = service.folder / "broken.pem"
    broken.write_text("no certificate\n")
    tls = {"cert": str(broken), "key": str(authority.key)}
    if section == "api":
        service.configure({"api": {"tls": tls}})
    else:
        service.configure({"mqtt": {"embedded": {
            "tls": {**tls, "listen": f"127.0.0.1:{free_port()}"}}}})
    text = service.run("run", code=1 if section == "api" else 2)
    assert str(broken) in text
