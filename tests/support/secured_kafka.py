"""An Apache Kafka with TLS, logins and ACLs, and a deployment of ours on it: each service under its own principal."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from bannerstream.contracts.topics import Topics
from bannerstream.devservers.kafka_apache import ApacheKafka
from bannerstream.devservers.kafka_security import KafkaSecurity
from bannerstream.devservers.server import LocalServer
from bannerstream.devservers.stack import environment_of
from bannerstream.service.child_process import ChildProcess
from bannerstream.settings import Settings
from tests.support import kafka_rights
from tests.support.kafka_pki import AUDIENCE, ISSUER, Pki
from tests.support.kafka_rights import Right, listed_rights, rights_of

Login = Literal["password", "certificate", "token"]

_GROUPS = ("bannerstream-generator", "bannerstream-purger")
"""Groups whose names are settings."""

PRINCIPALS = sorted({right.principal for right in listed_rights()})


def start_secured_kafka(data: Path) -> tuple[LocalServer, str]:
    """Start one with a user and a certificate for each principal of docs/production.md; return it and its address."""
    pki = Pki.create(data / "pki", PRINCIPALS)
    users = {principal: password_of(principal) for principal in PRINCIPALS}
    server = ApacheKafka(data, security=KafkaSecurity(pki.keystore, pki.ca, users, pki.jwks, AUDIENCE, ISSUER))
    server.start()
    address = {"plaintext": server.bootstrap_servers, "sasl_ssl": server.sasl_ssl, "ssl": server.ssl}
    return server, json.dumps(address | {"pki": str(pki.folder)})


def password_of(principal: str) -> str:
    return f"{principal}'s password"


@dataclass(frozen=True)
class SecuredKafka:
    """Where it listens. Clients of `plaintext` may do everything."""

    plaintext: str
    sasl_ssl: str
    ssl: str
    pki: Pki

    @classmethod
    def at(cls, address: str) -> "SecuredKafka":
        """Return the one whose address `start_secured_kafka` returned."""
        parts = json.loads(address)
        return cls(parts["plaintext"], parts["sasl_ssl"], parts["ssl"], Pki(Path(parts["pki"])))

    def login(self, principal: str, how: Login = "password", token_url: str = "") -> dict[str, Any]:
        """Return the settings of `[kafka]` by which a principal logs in."""
        common = {"ssl_cafile": str(self.pki.ca), "replication_factor": 1}
        if how == "certificate":
            files = self.pki.certificate(principal)
            return common | {
                "bootstrap_servers": self.ssl,
                "security_protocol": "SSL",
                "ssl_certfile": str(files.certfile),
                "ssl_keyfile": str(files.keyfile),
            }
        common |= {"bootstrap_servers": self.sasl_ssl, "security_protocol": "SASL_SSL"}
        if how == "password":
            return common | {"sasl_username": principal, "sasl_password": password_of(principal)}
        return common | {
            "sasl_mechanism": "OAUTHBEARER",
            "oauth_token_url": token_url,
            "oauth_client_id": principal,
            "oauth_client_secret": password_of(principal),
        }


class Deployment:
    """The settings, rights and processes of one test: its names are its own."""

    def __init__(
        self, kafka: SecuredKafka, name: str, overrides: Mapping[str, dict[str, Any]], folder: Path, token_url: str
    ) -> None:
        self.kafka = kafka
        self.app_id = str(overrides["streams"]["app_id"])
        self._name = name
        self._overrides = overrides
        self._folder = folder
        self._token_url = token_url
        self._topics = {
            getattr(Topics(), field.name).name: f"{name}.{getattr(Topics(), field.name).name}"
            for field in fields(Topics)
        }
        self._roles = {field.name: self._topics[getattr(Topics(), field.name).name] for field in fields(Topics)}

    def rights(self, *principals: str) -> list[Right]:
        """Return what docs/production.md lists for these principals, under this test's names."""
        return rights_of(principals, self._rename)

    async def grant(self, *principals: str, but: Right | None = None) -> None:
        """Grant principals their rights; of those that read or write `but`, leave Describe only."""
        rights = self.rights(*principals)
        if but is not None:
            assert but in rights, f"{but} is not listed"
            rights.remove(but)
            if but.resource == "topic":
                rights.append(but._replace(operation="Describe"))
        await kafka_rights.grant(self.kafka.plaintext, rights)

    def right(self, principal: str, resource: str, name: str, operation: str) -> Right:
        """Return one right, named as in docs/production.md."""
        right = Right(principal, resource, name, operation)
        return right._replace(name=self._rename(right))

    def _rename(self, right: Right) -> str:
        if right.resource == "topic" and right.name in self._topics:
            return self._topics[right.name]
        own = {name: f"{self._name}-{name.removeprefix('bannerstream-')}" for name in _GROUPS}
        return own.get(right.name, right.name.replace("<app_id>", self.app_id))

    def overrides(
        self, principal: str, how: Login = "password", **more: Mapping[str, Any]
    ) -> dict[str, dict[str, Any]]:
        """Return the settings of one principal; `more` are other groups."""
        kafka = self.kafka.login(principal, how, self._token_url) | {"topics": self._roles, "session_timeout_s": 6.0}
        groups: dict[str, dict[str, Any]] = {
            **self._overrides,
            "kafka": kafka,
            "generator": {"group_id": f"{self._name}-generator", "metrics_port": 0},
            "experiments": {"metrics_port": 0},
        }
        for group, values in more.items():
            groups[group] = {**groups.get(group, {}), **values}
        return groups

    def settings(self, principal: str, how: Login = "password", **more: Mapping[str, Any]) -> Settings:
        return Settings(**self.overrides(principal, how, **more))

    def run(self, service: str, how: Login = "password", **more: Mapping[str, Any]) -> ChildProcess:
        """Start a service under its own principal."""
        return self.command(["run", service], service, how, **more)

    def command(
        self, arguments: list[str], principal: str, how: Login = "password", **more: Mapping[str, Any]
    ) -> ChildProcess:
        """Start a command line."""
        folder = self._folder / f"{principal}-{len(list(self._folder.iterdir()))}"
        folder.mkdir()
        return ChildProcess(
            [Path(sys.executable).with_name("bannerstream"), *arguments],
            name=principal,
            log_file=folder / "log",
            environment=environment_of(self.overrides(principal, how, **more)),
            folder=folder,
        )
