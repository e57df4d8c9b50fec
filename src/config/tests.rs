use super::*;

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/moments.toml");

fn load(text: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("moments.toml");
    std::fs::write(&path, text).unwrap();
    let environment = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let loaded = Config::load_with(Some(&path), environment, &[]);
    loaded.map_err(|error| error.to_string())
}

/// A topic without a name has its section's.
fn same(config: &Config, other: &Config) -> bool {
    let shape = |config: &Config| {
        let mut shape = config.clone();
        let inputs = config.topics.inputs();
        shape.topics = Topics {
            partitions: shape.topics.partitions,
            ..Topics::default()
        };
        (shape, inputs)
    };
    shape(config) == shape(other)
}

/// The names of all fields, with dots.
fn fields(value: &toml::Value, path: &str, into: &mut BTreeSet<String>) {
    match value {
        toml::Value::Table(table) if !table.is_empty() => {
            for (key, value) in table {
                fields(value, &format!("{path}.{key}"), into);
            }
        }
        toml::Value::Table(_) => {}
        _ => drop(into.insert(path.to_owned())),
    }
}

#[test]
fn the_sample_file_has_every_field_with_its_default() {
    let text = std::fs::read_to_string(SAMPLE).unwrap();
    assert!(same(&load(&text, &[]).unwrap(), &Config::default()));
    let is_setting = |line: &str| {
        let word = line.split(' ').next().unwrap_or_default();
        line.contains(" = ") && word.chars().all(|c| c.is_ascii_lowercase() || c == '_')
    };
    let uncommented: Vec<&str> = text
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(setting) if is_setting(setting) => setting,
            _ => line,
        })
        .collect();
    let uncommented = uncommented.join("\n");
    assert_eq!(load(&uncommented, &[]), Ok(Config::default()));
    let (mut shown, mut known) = (BTreeSet::new(), BTreeSet::new());
    fields(&toml::from_str(&uncommented).unwrap(), "", &mut shown);
    fields(
        &toml::Value::try_from(Config::default()).unwrap(),
        "",
        &mut known,
    );
    assert_eq!(shown, known);
}

#[test]
fn the_examples_of_the_sample_file_are_right() {
    let text = std::fs::read_to_string(SAMPLE).unwrap();
    let text = text
        .replace("\n## ", "\n")
        .replace("/run/secrets/kafka-password", SAMPLE);
    let config = load(&text, &[]).unwrap();
    assert!(
        config
            .vocabulary()
            .unwrap()
            .event_named("Test Drive Booked")
            .is_some()
    );
    assert_eq!(
        config.attributes(),
        BTreeMap::from([
            ("company.plan".to_owned(), Type::Text),
            ("company.seats".to_owned(), Type::Number),
            ("tier".to_owned(), Type::Text),
        ])
    );
    assert_eq!(config.kafka.consumer.0["session.timeout.ms"], "6000");
    assert!(config.kafka.properties.0["sasl.password"].starts_with("# Every field"));
    let shown = format!("{config:?}");
    assert!(
        !shown.contains("Every field") && shown.contains("SCRAM-SHA-512"),
        "{shown}"
    );
}

#[test]
fn the_environment_lies_over_the_file() {
    let environment = [
        ("MOMENTS__APPLICATION__ID", "42"),
        ("MOMENTS__KAFKA__PROPERTIES__SASL_PASSWORD", "0012"),
        ("MOMENTS__KAFKA__CONSUMER__SESSION_TIMEOUT_MS", "6000"),
        ("MOMENTS__POLICY__CONSENT_BY_DEFAULT", "onsite, push"),
        ("MOMENTS__WORKERS__THREADS", "3"),
        ("MOMENTS__TIME__CLOCK", "event"),
        ("OTHER", "x"),
    ];
    let config = load(
        "[application]\nid = \"file\"\n[topics.cart]\nlateness = \"2m\"",
        &environment,
    )
    .unwrap();
    assert_eq!(config.application.id, "42");
    assert_eq!(config.kafka.properties.0["sasl.password"], "0012");
    assert_eq!(config.kafka.consumer.0["session.timeout.ms"], "6000");
    assert_eq!(config.policy.consent_by_default, ["onsite", "push"]);
    assert_eq!((config.threads(), config.time.clock), (3, Clock::Event));
    assert_eq!(config.changelog(), "42-changelog");
    let inputs = config.topics.inputs();
    assert_eq!(
        (inputs[0].name.as_str(), inputs[0].lateness_ms),
        ("cart", 120_000)
    );
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);
    let table: [Case<'_>; 14] = [
        ("[kafka]\nbootsrap = \"x\"", &[], "line 2, column 1"),
        (
            "[kafka]\nbootsrap = \"x\"",
            &[],
            "did you mean `bootstrap`?",
        ),
        ("[topic]\n", &[], "did you mean `topics`?"),
        (
            "[time]\nidle_delay = \"5 parsecs\"",
            &[],
            "is not a duration",
        ),
        (
            "[kafka.producer]\n\"transactional.id\" = \"x\"",
            &[],
            "fences a dead owner",
        ),
        (
            "[kafka.properties]\n\"group.instance.id\" = \"x\"",
            &[],
            "set it in [kafka.consumer]",
        ),
        (
            "[kafka.properties]\nsasl.password = \"x\"",
            &[],
            "written in quotes",
        ),
        (
            "[kafka.properties]\n\"sasl.password.file\" = \"/none\"",
            &[],
            "No such file",
        ),
        ("[attributes]\ntier = \"txt\"", &[], "did you mean `text`?"),
        (
            "[events.\"Product Added\"]\nprice = \"text\"",
            &[],
            "declared as a text but is a number",
        ),
        (
            "[topics.cart]\nname = \"decisions\"",
            &[],
            "`decisions` has two roles",
        ),
        ("[topics.cart]\nname = \"a b\"", &[], "no name for a topic"),
        (
            "",
            &[("MOMENTS__WORKERS__THREAD", "3")],
            "MOMENTS__WORKERS__THREAD: unknown field `thread`",
        ),
        (
            "",
            &[("MOMENTS__WORKERS__THREADS", "many")],
            "MOMENTS__WORKERS__THREADS: invalid type",
        ),
    ];
    for (text, environment, expected) in table {
        let error = load(text, environment).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn a_number_without_its_unit_is_refused_with_an_example() {
    for (text, expected) in [
        (
            "[topics.cart]\nlateness = 5",
            "integer `5`, expected a length of time with a unit (ms, s, m, h, d or w), such as \"5s\"",
        ),
        (
            "[policy]\nhold_out = 5",
            "integer `5`, expected a share such as `5%`",
        ),
        ("[policy]\nhold_out = 0.05", "expected a share such as `5%`"),
        (
            "[policy.caps]\nall = 5",
            "expected `N in D`, such as `1 in 7d`",
        ),
        (
            "[policy.quiet_hours]\ndefault = 21",
            "hours of local time such as `21:00-08:00`",
        ),
    ] {
        let error = load(text, &[]).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn delays_that_do_not_go_together_are_refused() {
    for (text, expected) in [
        (
            "state_delay = \"5ms\"",
            "transactions.state_delay: `5ms` is less than `transactions.command_delay`, which is `10ms`; it must be at least that",
        ),
        (
            "behind_delay = \"5m\"",
            "transactions.behind_delay: `5m` is too long",
        ),
    ] {
        let error = load(&format!("[transactions]\n{text}"), &[]).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
    let config = load("[transactions]\ncommand_delay = \"0ms\"", &[]).unwrap();
    assert_eq!(config.transactions.delays().command_ms, 0);
}

#[test]
fn a_topic_for_everybody_brings_one_more_to_each_task() {
    let names = |config: &Config| -> Vec<String> {
        let taken = config.taken().into_iter();
        taken.map(|topic| topic.name).collect()
    };
    let without = load("", &[]).unwrap();
    assert_eq!(without.broadcasts(), None);
    assert_eq!(names(&without).len(), without.topics.inputs().len());
    let text = "[application]\nid = \"shop\"\n[topics.everybody.news]\nformat = \"avro\"\n[topics.everybody.spots]\n";
    let config = load(text, &[]).unwrap();
    assert_eq!(config.broadcasts().as_deref(), Some("shop-broadcasts"));
    let taken = config.taken();
    assert!(taken.is_sorted_by(|a, b| a.name < b.name));
    let copies = taken.iter().find(|topic| topic.name == "shop-broadcasts");
    let copies = copies.expect("one more input");
    assert_eq!((copies.lateness_ms, copies.drives), (0, false));
    assert!(!names(&config).contains(&"news".to_owned()));
    assert_eq!(config.topics.role("spots"), topics::Role::Everybody);
    assert_eq!(config.topics.role("cart"), topics::Role::Customers);
    let in_avro = config.in_avro();
    assert!(in_avro.contains("news") && in_avro.contains("shop-broadcasts"));
    assert!(!config.topics.timing("spots").drives);
}

#[test]
fn what_is_wrong_with_a_topic_for_everybody_is_said() {
    for (text, expected) in [
        ("[topics.everybody.cart]", "`cart` has two roles"),
        ("[topics.everybody.\"a b\"]", "no name for a topic"),
        (
            "[topics.everybody.news]\nlateness = \"1s\"",
            "unknown field `lateness`",
        ),
        (
            "[topics.everybody.news]\nformat = \"avro\"\nmapping = \"a.yaml\"",
            "topics.everybody.news",
        ),
    ] {
        let error = load(text, &[]).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn topics_of_tables_are_copied_to_each_task_too() {
    let config = load(
        "[application]\nid = \"shop\"\n[topics]\ntables = [\"catalogue\"]",
        &[],
    )
    .unwrap();
    assert_eq!(config.broadcasts().as_deref(), Some("shop-broadcasts"));
    assert_eq!(config.topics.copied().collect::<Vec<_>>(), ["catalogue"]);
    assert_eq!(config.topics.role("catalogue"), topics::Role::Things);
    assert!(!config.topics.timing("catalogue").drives);
    for (name, expected) in [
        ("cart", "`cart` has two roles"),
        ("a b", "no name for a topic"),
    ] {
        let error = load(&format!("[topics]\ntables = [\"{name}\"]"), &[]).unwrap_err();
        assert!(error.contains(expected), "{name}: {error}");
    }
}

#[test]
fn formats_that_do_not_go_together_are_refused() {
    for (text, expected) in [
        (
            "[topics.cart]\nmapping = \"shop.yaml\"\nformat = \"avro\"",
            "topics.cart: has a mapping",
        ),
        (
            "[cloudevents]\noutput = \"structured\"\n[topics]\ndecisions_format = \"avro\"",
            "cloudevents.output: `structured` is an envelope of JSON",
        ),
    ] {
        let error = load(text, &[]).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn a_value_that_is_not_allowed_is_shown_in_the_file() {
    for (text, line, caret) in [
        (
            "[topics]\npartitions = 0",
            "line 2, column 14",
            "2 | partitions = 0",
        ),
        (
            "[attributes]\ntier = \"txt\"",
            "line 2, column 8",
            "2 | tier = \"txt\"",
        ),
        (
            "[events.\"Test Drive\"]\ncar = { model = \"txt\" }",
            "line 2, column 17",
            "2 | car = { model = \"txt\" }",
        ),
        (
            "[events.\"Test Drive\"]\nmodel = \"txt\"",
            "line 2, column 9",
            "2 | model = \"txt\"",
        ),
        (
            "[kafka.producer]\n\"acks\" = 1",
            "line 2, column 10",
            "2 | \"acks\" = 1",
        ),
    ] {
        let error = load(text, &[]).unwrap_err();
        assert!(error.contains(line) && error.contains(caret), "{error}");
        assert!(error.contains("^"), "{error}");
    }
    // The file says nothing of it, or nothing wrong: then no line of it is to blame.
    let environment = [("MOMENTS__TOPICS__PARTITIONS", "0")];
    for text in ["", "[topics]\npartitions = 3"] {
        let error = load(text, &environment).unwrap_err();
        assert_eq!(error, "topics.partitions: must be at least 1");
    }
}

#[test]
fn no_type_is_guessed() {
    for (text, environment, expected) in [
        (
            "[workers]\nthreads = \"3\"",
            [("", "")],
            "invalid type: string",
        ),
        (
            "[application]\nid = 42",
            [("", "")],
            "invalid type: integer",
        ),
        ("[http]\nwrite = 1", [("", "")], "invalid type: integer"),
        (
            "",
            [("MOMENTS__WORKERS__THREADS", "yes")],
            "MOMENTS__WORKERS__THREADS: invalid type: string",
        ),
        (
            "",
            [("MOMENTS__HTTP__WRITE", "on")],
            "MOMENTS__HTTP__WRITE: invalid type: string",
        ),
        (
            "",
            [("MOMENTS__TIME__CLOCK", "wal")],
            "did you mean `wall`?",
        ),
        (
            "",
            [("MOMENTS__APPLICATION__ID__X", "1")],
            "MOMENTS__APPLICATION__ID__X: invalid type: map",
        ),
    ] {
        let error = load(text, &environment).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    let odd = "info\"\n[http]\nwrite = true\n#";
    let config = load("", &[("MOMENTS__KAFKA__CLIENT_ID", odd)]).unwrap();
    assert_eq!(
        (config.kafka.client_id.as_str(), config.http.write),
        (odd, false)
    );
}

#[test]
fn a_level_is_one() {
    for (level, said) in [
        ("info", ""),
        ("WARN", ""),
        ("info,rdkafka=debug,moments::http=off", ""),
        (
            "loud",
            "`loud` is no level; expected error, warn, info, debug, trace, off",
        ),
        ("inof", "did you mean `info`?"),
        ("rdkafka", "`rdkafka` is no level"),
        ("info,rdkafka=loud", "`loud` is no level"),
        ("", "`` is no level"),
    ] {
        let loaded = load(&format!("[log]\nlevel = {level:?}"), &[]);
        match loaded {
            Ok(_) => assert_eq!(said, "", "{level}"),
            Err(error) => assert!(!said.is_empty() && error.contains(said), "{level}: {error}"),
        }
    }
}

#[test]
fn flags_lie_over_the_environment() {
    let flags = [
        ("application.id", "flag"),
        ("kafka.consumer.session.timeout.ms", "6000"),
        ("topics.cart", "{ name = \"basket\" }"),
        ("events.Test Drive.Model", "text"),
    ];
    let flags = flags.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let variables = [
        ("MOMENTS__APPLICATION__ID", "variable"),
        ("MOMENTS__TOPICS__CART__LATENESS", "2m"),
        ("MOMENTS__HTTP__WRITE", "true"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config = Config::load_with(None, variables, &flags).unwrap();
    assert_eq!(
        (config.application.id.as_str(), config.http.write),
        ("flag", true)
    );
    assert_eq!(config.kafka.consumer.0["session.timeout.ms"], "6000");
    assert_eq!(config.topics.cart.name.as_deref(), Some("basket"));
    assert_eq!(config.topics.cart.lateness, Span { ms: 120_000 });
    assert_eq!(config.events["Test Drive"]["Model"], "text");
}

#[test]
fn what_is_wrong_is_said_without_what_is_secret() {
    type Case = (
        &'static str,
        &'static [(&'static str, &'static str)],
        &'static str,
    );
    let table: &[Case] = &[
        (
            "[schema_registry]\nurl = \"http://me:hunter2@registry\"",
            &[],
            "holds a password",
        ),
        (
            "[schema_registry]\npassword = \"hunter2\"",
            &[],
            "needs user",
        ),
        (
            "[schema_registry]\nuser = \"me\"\ntoken = \"hunter2\"",
            &[],
            "either user and password",
        ),
        (
            "[telemetry]\notlp_endpoint = \"http://me:hunter2@collector\"",
            &[],
            "OTEL_EXPORTER_OTLP_HEADERS",
        ),
        (
            "[kafka.properties]\n\"sasl.password\" = [\"hunter2\"]",
            &[],
            "is not a text, a number or a bool",
        ),
        (
            "",
            &[("MOMENTS__KAFKA__PROPERTIES", "sasl.password=hunter2")],
            "MOMENTS__KAFKA__PROPERTIES: ",
        ),
        (
            "",
            &[("MOMENTS__SCHEMA_REGISTRY__URL", "me:hunter2@registry")],
            "expected http://",
        ),
        (
            "",
            &[("MOMENTS__SCHEMA_REGISTRY__PASWORD", "hunter2")],
            "did you mean `password`",
        ),
        (
            "",
            &[(
                "MOMENTS__SCHEMA_REGISTRY__TIMEOUT",
                "http://me:hunter2@registry",
            )],
            "is not a duration",
        ),
    ];
    for (text, environment, expected) in table {
        let error = load(text, environment).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
        assert!(!error.contains("hunter2"), "{text}: {error}");
    }
    let text = "[kafka.properties]\n\"sasl.password\" = \"hunter2\"\n\"sasl.jaas.config\" = \"hunter2\"\n[schema_registry]\n\
                url = \"http://registry\"\nuser = \"me\"\npassword = \"hunter2\"";
    let shown = format!("{:#?}", load(text, &[]).unwrap());
    assert!(
        shown.contains("(not shown)") && !shown.contains("hunter2"),
        "{shown}"
    );
}
