"""Settings: where they come from, which wins, and what a wrong one says."""

import traceback
from pathlib import Path

import pytest

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.settings import load_settings


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BANNERSTREAM_CONFIG", raising=False)


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "shop.toml"
    path.write_text(text)
    return path


def test_the_file_beats_the_defaults_and_the_environment_beats_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, '[kafka]\nbootstrap_servers = "file:1"\npartitions = 8\n')
    monkeypatch.setenv("BANNERSTREAM_KAFKA__BOOTSTRAP_SERVERS", "environment:1")
    kafka = load_settings(path).kafka
    assert (kafka.bootstrap_servers, kafka.partitions, kafka.replication_factor) == ("environment:1", 8, 1)


def test_the_environment_may_name_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BANNERSTREAM_CONFIG", str(write(tmp_path, "[streams]\nmargin = 0.5\n")))
    assert load_settings().streams.margin == 0.5


def test_topics_can_be_renamed_by_role(tmp_path: Path) -> None:
    path = write(tmp_path, '[kafka.topics]\nclicks = "shop.clicks"\n')
    topics = load_settings(path).kafka.topic_table()
    assert (topics.clicks.name, topics.purchases.name) == ("shop.clicks", "purchases")


OAUTH = '[kafka]\nsecurity_protocol = "SASL_SSL"\nsasl_mechanism = "OAUTHBEARER"\n'


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[kafka]\npartitons = 3\n", "kafka.partitons"),
        ("[kafka]\npartitions = 0\n", "kafka.partitions"),
        ('[kafka.topics]\nclick = "x"\n', "kafka.topics"),
        ('[kafka.topics]\nclicks = "events"\npurchases = "events"\n', "kafka.topics: two topics cannot share a name"),
        ('[kafka.topics]\nclicks = "banner.requests"\n', "banner.requests"),
        ('[kafka]\nsecurity_protocol = "SASL_PLAINTEXT"\n', "kafka.security_protocol"),
        ('[kafka]\nsecurity_protocol = "SASL_SSL"\n', "kafka.sasl_username"),
        ('[kafka]\nssl_certfile = "a.pem"\n', "kafka.ssl_keyfile"),
        (OAUTH, "kafka.oauth_token_url"),
        (f'{OAUTH}oauth_token_url = "https://login.shop.example/t"\n', "kafka.oauth_client_id"),
        (
            f'{OAUTH}oauth_token_url = "http://login.example/t"\noauth_client_id = "a"\noauth_client_secret = "b"\n',
            "must be https",
        ),
        (f'{OAUTH}token_source = "MskTokens"\n', "my_shop.kafka:MskTokens"),
        (f'{OAUTH}token_source = "a:B"\noauth_token_url = "https://login.shop.example/t"\n', "not both"),
        ('[privacy]\nuser_key_secret = "short"\n', "privacy.user_key_secret"),
        ('[generator]\npainter = "diffusers"\n', "generator.painter_model"),
        ('[generator]\ndescriber = "transformers"\n', "generator.describer_model"),
        ('environment = "production"\n', "privacy.user_key_secret"),
        ("[kafka\n", "shop.toml"),
    ],
)
def test_a_wrong_setting_stops_the_start_and_is_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(ConfigurationError, match=named.replace(".", r"\.")):
        load_settings(write(tmp_path, text))


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "shop.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match=r"shop\.toml is not valid TOML"):
        load_settings(path)


def test_a_table_in_the_environment_that_is_no_json_says_how_to_write_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BANNERSTREAM_KAFKA__TOPICS", "clicks=shop.clicks")
    with pytest.raises(ConfigurationError, match=r"kafka.*write a table as JSON"):
        load_settings()


@pytest.mark.parametrize(
    ("variables", "setting", "value"),
    [
        ({"BANNERSTREAM_LOG_LEVEL": "debug"}, "log_level", "debug"),
        ({"bannerstream_kafka__Partitions": "5"}, "kafka.partitions", 5),
        ({"BANNERSTREAM_KAFKA": '{"partitions": 5}'}, "kafka.partitions", 5),
        ({"BANNERSTREAM_KAFKA__PARTITIONS": "6", "BANNERSTREAM_KAFKA": '{"partitions": 5}'}, "kafka.partitions", 6),
        ({"BANNERSTREAM_KAFKA__TOPICS__CLICKS": "mine"}, "kafka.topics", {"clicks": "mine", "purchases": "bought"}),
        (
            {"BANNERSTREAM_KAFKA__TOPICS": '{"clicks": "mine"}'},
            "kafka.topics",
            {"clicks": "mine", "purchases": "bought"},
        ),
        ({"BANNERSTREAM_EXPERIMENTS__VARIANTS": '["b", "c"]'}, "experiments.variants", ("b", "c")),
        ({"BANNERSTREAM_EXPERIMENTS__BRAND_VARIANTS__ACME": '["a"]'}, "experiments.brand_variants", {"acme": ("a",)}),
        ({"BANNERSTREAM_GENERATOR__DIFFUSION__ADAPTERS_LOADED": "7"}, "generator.diffusion.adapters_loaded", 7),
        (
            {"BANNERSTREAM_INPUT__CONNECT_FILE": "x", "BANNERSTREAM_INPUT__CLICKS_FORMAT": "mapped"},
            "input.connect_file",
            Path("x"),
        ),
        ({"BANNERSTREAM_REQUIRE_REAL": "1"}, "log_level", "info"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) and value else None,
)
def test_a_variable_sets_a_table_or_one_setting_of_it(
    variables: dict[str, str], setting: str, value: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in variables.items():
        monkeypatch.setenv(name, text)
    found: object = load_settings(write(tmp_path, '[kafka.topics]\npurchases = "bought"\n'))
    for part in setting.split("."):
        found = getattr(found, part)
    assert found == value


def test_a_variable_that_no_table_has_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BANNERSTREAM_KAFKA__PARTITONS", "5")
    with pytest.raises(ConfigurationError, match="BANNERSTREAM_KAFKA__PARTITONS names no setting; the nearest is"):
        load_settings()


@pytest.mark.parametrize(
    ("variable", "nearest"),
    [
        ("BANNERSTREAM_KAFKA__PARTITONS", "BANNERSTREAM_KAFKA__PARTITIONS"),
        ("BANNERSTREAM_KAFKA_BOOTSTRAP_SERVERS", "BANNERSTREAM_KAFKA__BOOTSTRAP_SERVERS"),
        ("bannerstream_loglevel", "BANNERSTREAM_LOG_LEVEL"),
        ("BANNERSTREAM_EDGE_PORT", "BANNERSTREAM_EDGE__PORT"),
        ("BANNERSTREAM_EDGE__PORT__X", "BANNERSTREAM_EDGE__PORT"),
        ("BANNERSTREAM_GENERATOR__DIFUSION__ADAPTERS_LOADED", "BANNERSTREAM_GENERATOR__DIFFUSION__ADAPTERS_LOADED"),
        ("BANNERSTREAM_ENV", "BANNERSTREAM_ENVIRONMENT"),
        ("BANNERSTREAM_CDN__API_TOKENS__FASTLY", "BANNERSTREAM_CDN__API_TOKEN"),
    ],
)
def test_a_variable_that_names_no_setting_stops_the_start_and_the_nearest_is_named(
    variable: str, nearest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "8080")
    with pytest.raises(ConfigurationError, match=f"^{variable} names no setting; the nearest is {nearest},"):
        load_settings()


def test_every_variable_that_names_no_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BANNERSTREAM_UNKNOWN__X", "hunter2")
    monkeypatch.setenv("BANNERSTREAM_KAFKA__PARTITONS", "5")
    with pytest.raises(ConfigurationError, match=r"KAFKA__PARTITONS names.*UNKNOWN__X names") as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)


def test_what_kubernetes_sets_for_a_service_of_our_name_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    links = {
        "BANNERSTREAM_EDGE_SERVICE_HOST": "10.0.0.11",
        "BANNERSTREAM_EDGE_SERVICE_PORT": "80",
        "BANNERSTREAM_EDGE_SERVICE_PORT_HTTP": "80",
        "BANNERSTREAM_EDGE_PORT": "tcp://10.0.0.11:80",
        "BANNERSTREAM_PORT": "tcp://10.0.0.12:80",
        "BANNERSTREAM_EDGE_PORT_80_TCP": "tcp://10.0.0.11:80",
        "BANNERSTREAM_EDGE_PORT_80_TCP_PROTO": "tcp",
        "BANNERSTREAM_EDGE_PORT_80_TCP_ADDR": "10.0.0.11",
    }
    for variable, value in links.items():
        monkeypatch.setenv(variable, value)
    assert load_settings().edge.port == 8080


def test_a_table_that_is_not_a_table_is_refused_also_beside_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BANNERSTREAM_EDGE", "5")
    monkeypatch.setenv("BANNERSTREAM_EDGE__PORT", "82")
    with pytest.raises(ConfigurationError, match=r"^edge: .*write a table as JSON"):
        load_settings()


def test_a_wrong_secret_table_is_named_without_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BANNERSTREAM_EDGE__TOKEN_KEYS", "hunter2hunter2")
    with pytest.raises(ConfigurationError, match=r"edge\.token_keys: .*write a table as JSON") as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("EDGE__FEEDBACK_SECRET", "hunter2"),
        ("EDGE__TOKEN_KEYS", '{"a": "hunter2"}'),
        ("EDGE__TOKEN_KEYS", '{"a": ["hunter2"]}'),
        ("CDN__PURGE_TOKEN", "hunter2"),
        ("PRIVACY__USER_KEY_SECRET", "hunter2"),
    ],
)
def test_a_wrong_secret_is_not_in_the_traceback_that_verbose_prints(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(f"BANNERSTREAM_{variable}", value)
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no settings file"):
        load_settings(tmp_path / "missing.toml")


def test_secrets_are_masked_when_printed() -> None:
    settings = load_settings(storage={"secret_key": "hunter2hunter2"})
    assert "hunter2" not in repr(settings) + settings.model_dump_json()
