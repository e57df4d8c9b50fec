//! Compose, Kubernetes and systemd files: the tools of their fields take them, and they agree with the program.

use std::path::PathBuf;
use std::process::Command;

use super::{path, read, say_skipped, succeed, tool};

/// The files of a folder that end so, in order.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path(folder)).expect(folder);
    let paths = entries.map(|entry| entry.expect(folder).path());
    let mut paths: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|found| found == ending))
        .collect();
    paths.sort();
    paths
}

#[test]
fn the_compose_file_is_valid_and_its_kafka_is_the_one_of_the_tests() {
    let compose = "deploy/compose.yaml";
    let pom = read("deploy/kafka/pom.xml");
    let version = pom
        .split_once("<kafka.version>")
        .and_then(|(_, rest)| rest.split_once('<'))
        .map(|(version, _)| version)
        .expect("a version");
    assert!(
        read(compose).contains(&format!("apache/kafka:{version}\n")),
        "{version}"
    );
    let Some(mut check) = tool("check-jsonschema") else {
        return;
    };
    succeed(check.args(["--builtin-schema", "vendor.compose-spec", compose]));
}

#[test]
fn the_kubernetes_manifests_are_valid() {
    let manifests = files("deploy/kubernetes", "yaml");
    assert!(manifests.len() >= 5, "{manifests:?}");
    let Some(mut validate) = tool("kubernetes-validate") else {
        return;
    };
    let said = succeed(validate.arg("--strict").args(&manifests));
    assert_eq!(said.matches(" passed ").count(), manifests.len(), "{said}");
}

/// The configuration that they bring is one that the program takes, and what it asks it for is there.
#[test]
fn the_kubernetes_manifests_agree_with_the_program() {
    let map: serde_json::Value =
        serde_saphyr::from_str(&read("deploy/kubernetes/configmap.yaml")).expect("YAML");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("moments.toml");
    let written = map["data"]["moments.toml"]
        .as_str()
        .expect("a configuration");
    std::fs::write(&file, written).expect("written");
    let environment = [
        "MOMENTS__KAFKA__CLIENT_ID",
        "MOMENTS__HTTP__LISTEN",
        "MOMENTS__HTTP__TOKEN_FILE",
        "MOMENTS__TRIGGERS__PATH",
    ];
    let token = "/run/secrets/moments-http-token";
    let values = ["moments-0", "0.0.0.0:9464", token, "/etc/moments/triggers"];
    let environment = environment
        .map(str::to_owned)
        .into_iter()
        .zip(values.map(str::to_owned));
    let config = moments::config::Config::load_with(Some(&file), environment, &[]).expect("taken");
    assert_eq!(config.kafka.client_id, "moments-0");
    assert_eq!(config.kafka.bootstrap, "kafka-bootstrap:9092");
}

#[test]
fn the_systemd_unit_is_valid() {
    let written = read("deploy/systemd/moments.service");
    // Where nobody has installed it, the program is this build's.
    let installed = "/usr/local/bin/moments";
    assert!(written.contains(installed));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("moments.service");
    std::fs::write(
        &file,
        written.replace(installed, env!("CARGO_BIN_EXE_moments")),
    )
    .expect("written");
    let mut verify = Command::new("systemd-analyze");
    if verify.arg("--version").output().is_err() {
        say_skipped("no systemd-analyze here (the Debian package systemd has it)");
        return;
    }
    let mut verify = Command::new("systemd-analyze");
    let said = succeed(verify.args(["verify", "--man=no"]).arg(&file));
    assert_eq!(said.trim(), "", "it warns");
}
