"""The rights that docs/security.md lists are enough, and none is too much; a worker logs in as that page says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import trustme
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclBindingFilter, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType
from confluent_kafka.admin._scram import ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from tests.broker.issuer import Issuer
from tests.broker.kafka_tools import produce_orders, read_committed
from tests.broker.ops import address_of, reasons
from tests.broker.shop import KEY
from tests.broker.workers import Ended, Worker, crew, until

from journeys.cli import main
from journeys_sandbox.api.contract import ApiSettings
from journeys_sandbox.api.server import StandInThread
from journeys_sandbox.stack.kafka import Broker

pytestmark = pytest.mark.slow

PAGE = (Path(__file__).parents[2] / "docs" / "security.md").read_text(encoding="utf-8")
RESOURCES = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "cluster": ResourceType.BROKER,  # the protocol's number is that of the cluster
    "transactional id": ResourceType.TRANSACTIONAL_ID,
}
LISTENERS = {"SASL": "SASL_PLAINTEXT", "TLS": "SASL_SSL", "CERTIFICATES": "SSL", "EXPIRING": "SASL_PLAINTEXT"}
MODULES = {
    "scram-sha-512": "scram.ScramLoginModule required",
    "oauthbearer": 'oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="kafka"',
}
"""The broker's login modules. The second one accepts tokens without a signature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """One row of a table: a right, and what the refusal says without it."""

    resource: str
    name: str
    operation: str
    refusal: str

    def __str__(self) -> str:
        return f"{self.operation} {self.resource} {self.name}"

    def acl(self, principal: str) -> AclBinding:
        """The ACL that gives it."""
        pattern = ResourcePatternType.PREFIXED if self.name.endswith("*") else ResourcePatternType.LITERAL
        operation = AclOperation[re.sub(r"(?<=[a-z])(?=[A-Z])", "_", self.operation).upper()]
        name = self.name.removesuffix("*")
        allow = AclPermissionType.ALLOW
        return AclBinding(RESOURCES[self.resource], name, pattern, f"User:{principal}", "*", operation, allow)


def rights(command: str) -> list[Right]:
    """The rows of a command's table."""
    [section] = re.findall(rf"^### {re.escape(command)}\n(.*?)(?=^#|\Z)", PAGE, re.DOTALL | re.MULTILINE)
    rows = re.findall(r"^\| ([a-z ]+) \| `([^`]+)` \| (\w+) \| `([^`]+)` \|$", section, re.MULTILINE)
    return [
        Right(resource=resource, name=name, operation=operation, refusal=refusal)
        for resource, name, operation, refusal in rows
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A broker that checks every right, with topics and schemas under their default names."""

    broker: Broker
    registry_url: str
    api: StandInThread
    admin: AdminClient
    issuer: trustme.CA
    authority: Path
    """The certificate of the authority that signed the broker's."""
    certificate: Path
    """Key and certificate of the broker, which reads them when it starts."""
    identity: Path
    """Key and certificate of a client, for the principal `User:journeys`."""

    @property
    def owner(self) -> dict[str, str]:
        """Settings for a client that may do everything."""
        return {
            "JOURNEYS_KAFKA__BOOTSTRAP_SERVERS": self.broker.bootstrap_servers,
            "JOURNEYS_REGISTRY__URL": self.registry_url,
            "JOURNEYS_ORDERS__RETRY_TIERS": "1s",
            "JOURNEYS_API__BASE_URL": self.api.url,
            "JOURNEYS_API__KEY": KEY,
            "JOURNEYS_API__TRIES": "1",
        }

    def user(self, granted: Sequence[Right], *, listener: str = "SASL") -> dict[str, str]:
        """Settings for a new user with these rights alone, who has a password."""
        name = f"user-{uuid4().hex[:8]}"
        self.grant(name, granted)
        self.set_password(name, b"s3cret")
        password = {"sasl.mechanism": "SCRAM-SHA-512", "sasl.username": name, "sasl.password": "s3cret"}
        environment = self.client(listener, password)
        # A broker learns of changes in their order. So once it knows the user, it knows the rights.
        config = json.loads(environment["JOURNEYS_KAFKA__CONFIG"])
        AdminClient({"bootstrap.servers": self.broker.address(listener), **config}).list_topics(timeout=60)
        return environment

    def set_password(self, name: str, password: bytes) -> None:
        """Create the user, or change the password."""
        scram = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        change = UserScramCredentialUpsertion(name, scram, password)
        for answer in self.admin.alter_user_scram_credentials([change]).values():
            answer.result(30)

    def grant(self, name: str, granted: Sequence[Right]) -> None:
        """Give these rights to a principal; none at all is no request."""
        if not granted:
            return
        for answer in self.admin.create_acls([right.acl(name) for right in granted]).values():
            answer.result(30)

    def revoke(self, name: str, taken: Right) -> None:
        """Take a right away from a principal. Returns once the broker applies it."""
        acl = taken.acl(name)
        one = AclBindingFilter(
            acl.restype,
            acl.name,
            acl.resource_pattern_type,
            acl.principal,
            acl.host,
            acl.operation,
            acl.permission_type,
        )
        self.admin.delete_acls([one])[one].result(30)
        until(lambda: not self.admin.describe_acls(one).result(30), "the right to be gone")

    def client(self, listener: str, login: Mapping[str, str]) -> dict[str, str]:
        """Settings for a client that logs in through a listener with these settings of librdkafka."""
        own = {"security.protocol": LISTENERS[listener], "ssl.ca.location": str(self.authority)}
        return {
            **self.owner,
            "JOURNEYS_KAFKA__BOOTSTRAP_SERVERS": self.broker.address(listener),
            "JOURNEYS_KAFKA__CONFIG": json.dumps({**own, **login}),
        }

    def read(self, topic: str) -> list[str]:
        """The keys of all that is committed in a topic."""
        return [(record.key or b"").decode() for record in read_committed(self.broker.bootstrap_servers, [topic])]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, registry_url: str) -> Iterator[Cluster]:
    """One broker for all tests of this file."""
    directory = tmp_path_factory.mktemp("certificates")
    authority, broker, identity = (directory / f"{name}.pem" for name in ("authority", "broker", "client"))
    issued = trustme.CA()
    issued.cert_pem.write_to_path(authority)
    _write_identity(issued.issue_cert("127.0.0.1"), broker)
    _write_identity(issued.issue_cert("journeys.example", common_name="journeys"), identity)
    config = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",  # the plain listener: the broker's own, and the tests'
        "sasl.enabled.mechanisms": "SCRAM-SHA-512,OAUTHBEARER",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(broker),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(authority),
        "listener.name.expiring.scram-sha-512.connections.max.reauth.ms": "3000",
        "listener.name.certificates.ssl.client.auth": "required",
        "listener.name.certificates.ssl.principal.mapping.rules": "RULE:^CN=([^,]+),.*$/$1/",
    }
    for listener in ("sasl", "tls", "expiring"):
        for mechanism, module in MODULES.items():
            config[f"listener.name.{listener}.{mechanism}.sasl.jaas.config"] = (
                f"org.apache.kafka.common.security.{module};"
            )
    with (
        Broker(config=config, listeners=LISTENERS) as running,
        StandInThread(ApiSettings(key=KEY)) as api,
    ):
        made = Cluster(
            broker=running,
            registry_url=registry_url,
            api=api,
            admin=AdminClient({"bootstrap.servers": running.bootstrap_servers}),
            issuer=issued,
            authority=authority,
            certificate=broker,
            identity=identity,
        )
        with crew(made.owner) as workers:
            workers.setup("topics", "create", "--partitions", "2")
            workers.setup("schemas", "register")
        yield made


def _write_identity(issued: trustme.LeafCert, path: Path) -> None:
    """Write a key as Java reads it (PKCS #8), and its certificates."""
    key = load_pem_private_key(issued.private_key_pem.bytes(), None)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(pem + b"".join(blob.bytes() for blob in issued.cert_chain_pems))


@contextmanager
def at_work(cluster: Cluster, environment: dict[str, str]) -> Iterator[tuple[Worker, list[str]]]:
    """A worker, and three orders that wait for it."""
    with crew(environment) as workers:
        orders = place(cluster)
        yield workers.hire(), orders


def place(cluster: Cluster) -> list[str]:
    """Put three orders in: one to publish, one to retry first, one to give up."""
    mark = uuid4().hex[:8]
    orders = [f"n2-{mark}", f"x-503x1-n2-{mark}", f"x-400-{mark}"]
    produce_orders(cluster.broker.bootstrap_servers, "orders.completed", orders)
    return orders


def until_done(cluster: Cluster, orders: list[str]) -> None:
    """Wait until each of the three orders is where it belongs."""
    plain, retried, dead = orders
    until(lambda: {plain, retried} <= {*cluster.read("journey.summary")}, "two summaries")
    until(lambda: dead in cluster.read("orders.dead-letter"), "a dead letter")
    assert retried in cluster.read("journeys.retry.1s")


@pytest.mark.parametrize(("protocol", "listener"), [("classic", "TLS"), ("consumer", "SASL")])
def test_a_worker_needs_no_more_than_its_rights(cluster: Cluster, protocol: str, listener: str) -> None:
    """It publishes, retries and gives up with the rights of its table, in either group protocol."""
    environment = cluster.user(rights("journeys run"), listener=listener)
    with at_work(cluster, {**environment, "JOURNEYS_KAFKA__GROUP_PROTOCOL": protocol}) as (worker, orders):
        until_done(cluster, orders)
        assert worker.stop() == 0, worker.raw()


@pytest.mark.parametrize("missing", rights("journeys run"), ids=str)
def test_a_worker_names_the_right_that_it_lacks(cluster: Cluster, missing: Right) -> None:
    """Without any one right of its table a worker ends with exit code 1, or waits, and a line says why."""
    granted = [right for right in rights("journeys run") if right != missing]
    with at_work(cluster, cluster.user(granted)) as (worker, _):
        if missing.refusal == "topic.forbidden":
            [forbidden] = worker.until("topic.forbidden")
            assert forbidden["topic"] == "journeys.retry.1s"
            assert worker.stop() == 0, worker.raw()
            return
        assert worker.process.wait(60) == 1, worker.raw()
        [failed] = worker.lines("worker.failed")
        assert missing.refusal in failed["reason"]
        assert failed.get("remedy") is None, "to create a topic that is only hidden would not help"


def test_worker_waits_for_a_right_that_is_taken_away_at_work(cluster: Cluster) -> None:
    """The log and /readyz name a topic that may not be written any more. With the right, the worker continues."""
    environment = cluster.user(rights("journeys run"))
    user = json.loads(environment["JOURNEYS_KAFKA__CONFIG"])["sasl.username"]
    [taken] = [right for right in rights("journeys run") if right.name == "journey.*"]
    with at_work(cluster, environment) as (worker, orders):
        address = address_of(worker)
        until_done(cluster, orders)
        cluster.revoke(user, taken)
        more = place(cluster)
        forbidden = worker.until("topic.forbidden")[0]
        assert forbidden["topic"].startswith("journey.")
        assert "Write" in forbidden["remedy"]
        found = reasons(address)
        assert list(found) == ["topic"]
        topic, _, why = found["topic"].partition(" takes no records: ")
        assert topic in {line["topic"] for line in worker.lines("topic.forbidden")}
        assert why.startswith("TOPIC_AUTHORIZATION_FAILED")
        cluster.grant(user, [taken])
        until_done(cluster, more)
        until(lambda: reasons(address) == {}, "the worker to be ready")
        [allowed] = worker.until("topic.allowed")
        assert allowed["topic"] == worker.lines("topic.forbidden")[-1]["topic"], "Kafka may name another one each time"
        assert worker.stop() == 0, worker.raw()


def test_a_client_certificate_is_a_login(cluster: Cluster) -> None:
    """The name in the certificate is the principal, as the broker maps it; no password is needed."""
    cluster.grant("journeys", rights("journeys run"))
    files = {"ssl.certificate.location": str(cluster.identity), "ssl.key.location": str(cluster.identity)}
    with at_work(cluster, cluster.client("CERTIFICATES", files)) as (worker, orders):
        until_done(cluster, orders)
        assert worker.stop() == 0, worker.raw()


def test_a_worker_logs_in_with_tokens_of_an_issuer(cluster: Cluster) -> None:
    """It asks the token endpoint with its client's credentials, again before a token ends, and works on.

    librdkafka asks after 80 % of a token's life, to the second, and logs in again after 90 %. A broker refuses two
    logins of a connection within a second (KIP-368). So a token lives for 20 s: 10 % of it must be more than a second.
    """
    client = f"client-{uuid4().hex[:8]}"
    cluster.grant(client, rights("journeys run"))
    with Issuer(lifetime_s=20) as issuer:
        login = {
            "sasl.mechanism": "OAUTHBEARER",
            "sasl.oauthbearer.method": "oidc",
            "sasl.oauthbearer.token.endpoint.url": issuer.url,
            "sasl.oauthbearer.client.id": client,
            "sasl.oauthbearer.client.secret": "s3cret",
            "sasl.oauthbearer.scope": "kafka",
        }
        with at_work(cluster, cluster.client("TLS", login)) as (worker, orders):
            until_done(cluster, orders)
            before = len(issuer.asked)
            until(lambda: len(issuer.asked) >= 3 * before, "newer tokens")
            again = place(cluster)
            until_done(cluster, again)
            assert worker.stop() == 0, worker.raw()
        asked = issuer.asked[0]
        assert (asked.path, asked.credentials) == ("/oauth2/token", f"{client}:s3cret")
        assert asked.form == {"grant_type": ["client_credentials"], "scope": ["kafka"]}


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"sasl.password": "wrong"}, "Authentication failed"),
        ({"ssl.ca.location": "probe"}, "certificate verify failed"),
    ],
)
def test_a_refused_login_is_named(cluster: Cluster, wrong: dict[str, str], named: str) -> None:
    """A wrong password and a certificate of an unknown authority end a worker with exit code 1."""
    environment = cluster.user(rights("journeys run"), listener="TLS")
    config = json.dumps({**json.loads(environment["JOURNEYS_KAFKA__CONFIG"]), **wrong})
    with crew({**environment, "JOURNEYS_KAFKA__CONFIG": config}) as workers:
        worker = workers.hire()
        assert worker.process.wait(60) == 1, worker.raw()
        [failed] = worker.lines("worker.failed")
        assert named in failed["reason"]


def test_password_that_expires_at_work_is_the_reason(cluster: Cluster) -> None:
    """The broker wants each login again after 3 s. The worker names the refusal, and continues once it is over."""
    environment = cluster.user(rights("journeys run"), listener="EXPIRING")
    user = json.loads(environment["JOURNEYS_KAFKA__CONFIG"])["sasl.username"]
    with crew(environment) as workers:
        worker = workers.hire()
        address = address_of(worker)
        until(lambda: reasons(address) == {}, "the worker to be ready")
        cluster.set_password(user, b"another")
        until(lambda: "Authentication failed" in reasons(address).get("group", ""), "the refused login")
        assert any("no broker answers" in line["reason"] for line in worker.lines("group.waiting"))
        cluster.set_password(user, b"s3cret")
        until(lambda: reasons(address) == {}, "the worker to be ready again")
        assert worker.stop() == 0, worker.raw()


def test_broker_certificate_that_expires_is_the_reason(cluster: Cluster) -> None:
    """The broker returns with an expired certificate. The worker names it, and continues once there is a valid one."""
    environment = cluster.user(rights("journeys run"), listener="TLS")
    valid = cluster.certificate.read_bytes()
    with crew(environment) as workers:
        worker = workers.hire()
        address = address_of(worker)
        until(lambda: reasons(address) == {}, "the worker to be ready")
        yesterday = datetime.now(UTC) - timedelta(days=1)
        expired = cluster.issuer.issue_cert("127.0.0.1", not_before=yesterday - timedelta(days=1), not_after=yesterday)
        try:
            _write_identity(expired, cluster.certificate)
            cluster.broker.kill()
            cluster.broker.restart()
            why = "has the certificate of the broker expired?"
            until(lambda: why in reasons(address).get("group", ""), "the certificate in /readyz")
            assert any(why in line["reason"] for line in worker.until("group.waiting"))
        finally:
            cluster.certificate.write_bytes(valid)
            cluster.broker.kill()
            cluster.broker.restart()
        until(lambda: reasons(address) == {}, "the worker to be ready again")
        assert worker.stop() == 0, worker.raw()


def test_doctor_names_missing_rights(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A worker's rights are enough for it, except to see the settings of topics. Other missing rights are failures."""

    def examined(granted: Sequence[Right]) -> dict[str, dict[str, str]]:
        for name, value in {**cluster.user(granted), "JOURNEYS_PUBLISH__NATIVE": "false"}.items():
            monkeypatch.setenv(name, value)
        main(["doctor", "--json"])
        return {check["id"]: check for check in json.loads(capsys.readouterr().out)["checks"]}

    enough = rights("journeys run")
    checks = examined(enough)
    hidden = {"topics.settings", "topics.replication", "topics.retention", "topics.cleanup", "topics.record_size"}
    assert {name for name, check in checks.items() if check["status"] != "ok"} == hidden
    assert "DescribeConfigs" in checks["topics.settings"]["detail"]
    lacking = examined(
        [right for right in enough if right.resource != "transactional id" and right.name != "journey.*"]
    )
    assert {name for name, check in lacking.items() if check["status"] == "fail"} == {
        "topics.present",
        "rights.topics",
        "rights.transaction",
    }
    assert "Write on journey.ads" in lacking["rights.topics"]["detail"]
    assert "TRANSACTIONAL_ID_AUTHORIZATION_FAILED" in lacking["rights.transaction"]["detail"]


WAITING = "n1-waiting"
"""An order in the order topic and in a retry tier."""
COMMANDS = {
    "journeys topics create": ["topics", "create"],
    "journeys topics create --grow": ["topics", "create", "--grow", "--dry-run", "--partitions", "3"],
    "journeys dead-letters list, show, export": ["dead-letters", "list"],
    "journeys dead-letters replay": ["dead-letters", "replay", "--execute"],
    "journeys send": ["send", "n1-sent"],
    "journeys show": ["show", WAITING],
    "journeys tail": ["tail", "--no-follow"],
}


def run(cluster: Cluster, command: str, environment: dict[str, str]) -> Ended:
    """A command with something to do: a topic to create, an order to show, a dead letter to show or to replay."""
    mark = uuid4().hex[:8]
    headers: list[tuple[str, str | bytes | None]] = [
        ("error-reason", "status-400"),
        ("error-topic", "orders.completed"),
    ]
    servers = cluster.broker.bootstrap_servers
    produce_orders(servers, "orders.dead-letter", [f"order-{mark}"], headers=headers)
    for topic in ("orders.completed", "journeys.retry.1s") if WAITING in COMMANDS[command] else ():
        produce_orders(servers, topic, [WAITING])
    new = {
        "JOURNEYS_ORDERS__TOPICS": f"orders.{mark}",
        "JOURNEYS_ORDERS__RETRY_PREFIX": f"journeys.retry.{mark}.",
        "JOURNEYS_PUBLISH__TOPIC_PREFIX": f"journey.{mark}.",
    }
    with crew({**environment, **(new if command == "journeys topics create" else {})}) as commands:
        return commands.run(*COMMANDS[command])


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_needs_no_more_than_its_rights(cluster: Cluster, command: str) -> None:
    """With the rights of its table, a command does its work."""
    done = run(cluster, command, cluster.user(rights(command)))
    assert done.code == 0, done.stderr


LACKING = [pytest.param(command, right, id=f"{command}: {right}") for command in COMMANDS for right in rights(command)]


@pytest.mark.parametrize(("command", "missing"), LACKING)
def test_a_command_names_the_right_that_it_lacks(cluster: Cluster, command: str, missing: Right) -> None:
    """Without any one right of its table a command ends with exit code 1 and a line that says why."""
    granted = [right for right in rights(command) if right != missing]
    done = run(cluster, command, cluster.user(granted))
    assert done.code == 1, done.stdout
    assert missing.refusal in done.stderr
