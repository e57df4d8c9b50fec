//! The container image: the file that makes it, and where podman is, the image itself with the demo in it.
//!
//! `./dev test` says in `MOMENTS_CONTAINER_BASE` where a base is that podman can import, as none can be pulled everywhere.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::{path, read, say_skipped, succeed, tool};
use crate::support::unique;

/// Options of podman, and of `podman run`.
type Way = (&'static [&'static str], &'static [&'static str]);

/// Ways to run a container, the plain one first. The other is for machines that keep both generations of cgroups, or may
/// not raise limits.
const WAYS: [Way; 2] = [
    (&[], &[]),
    (
        &["--runtime=runc", "--cgroup-manager=cgroupfs"],
        &[
            "--cgroupns=host",
            "--ulimit=nofile=1024:1024",
            "--ulimit=nproc=1024:1024",
        ],
    ),
];

#[test]
fn the_dockerfile_has_no_complaints() {
    let Some(mut hadolint) = tool("hadolint") else {
        return;
    };
    let said = succeed(hadolint.arg("deploy/container/Dockerfile"));
    assert_eq!(said.trim(), "");
}

/// Images of a test, in a folder of its own.
struct Podman<'a> {
    folder: &'a Path,
}

impl Podman<'_> {
    fn command(&self, options: &[&str]) -> Command {
        let mut command = Command::new("podman");
        command.env("STORAGE_DRIVER", "vfs");
        command.arg("--root").arg(self.folder.join("images"));
        command.arg("--runroot").arg(self.folder.join("run"));
        command.args(options);
        command
    }

    /// The image of the Dockerfile with the binary of this build, on this base.
    fn build(&self, base: &Path) -> String {
        let (base_image, image) = (
            unique("localhost/moments-base"),
            unique("localhost/moments"),
        );
        succeed(
            self.command(&["import", "--quiet"])
                .arg(base)
                .arg(&base_image),
        );
        let files = self.folder.join("context");
        fs::create_dir(&files).expect("a folder");
        context(&files);
        let options = ["--pull=never", "--isolation=chroot", "--layers=false"];
        succeed(
            self.command(&["build", "--quiet", "--target=prebuilt", "--tag", &image])
                .args(options)
                .args(["--build-arg", &format!("BASE_IMAGE={base_image}"), "--file"])
                .arg(path("deploy/container/Dockerfile"))
                .arg(&files),
        );
        image
    }

    /// A container that has no network, no rights and nothing to write to.
    fn run(&self, (before, after): Way, image: &str, arguments: &[&str]) -> Command {
        let mut command = self.command(before);
        command.args([
            "run",
            "--rm",
            "--network=none",
            "--read-only",
            "--cap-drop=ALL",
        ]);
        command.args(after).arg(image).args(arguments);
        command
    }
}

impl Drop for Podman<'_> {
    fn drop(&mut self) {
        // Without root, files of images are other users'; podman can remove them, we cannot.
        let _ = self.command(&["rmi", "--all", "--force"]).output();
    }
}

/// What the Dockerfile takes from the checkout for its target `prebuilt`, with the binary of this build.
fn context(folder: &Path) {
    let copied = |from: &Path, to: &Path| {
        fs::copy(from, to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    };
    copied(
        Path::new(env!("CARGO_BIN_EXE_moments")),
        &folder.join("moments"),
    );
    let triggers = folder.join("deploy/triggers");
    for stage in fs::read_dir(path("deploy/triggers")).expect("triggers") {
        let stage = stage.expect("an entry");
        let to = triggers.join(stage.file_name());
        fs::create_dir_all(&to).expect("a folder");
        for file in fs::read_dir(stage.path()).expect("triggers of a stage") {
            let file = file.expect("an entry");
            copied(&file.path(), &to.join(file.file_name()));
        }
    }
}

#[test]
fn the_image_runs_the_demo_as_nobody_in_particular() {
    let Some(base) = env::var_os("MOMENTS_CONTAINER_BASE").filter(|base| !base.is_empty()) else {
        say_skipped(
            "no podman, or no base for the image (./dev test makes it where podman and mmdebstrap are)",
        );
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let podman = Podman {
        folder: folder.path(),
    };
    let image = podman.build(Path::new(&base));
    let format = "--format={{.Config.User}}";
    let user = succeed(podman.command(&["image", "inspect", format]).arg(&image));
    assert_eq!(user.trim(), "65532:65532");

    let works = |way: &&Way| {
        let output = podman.run(**way, &image, &["--version"]).output();
        output.expect("podman").status.success()
    };
    let Some(way) = WAYS.iter().find(works) else {
        let said = podman.run(WAYS[0], &image, &["--version"]).output();
        let said = said.expect("podman").stderr;
        panic!("no container runs: {}", String::from_utf8_lossy(&said));
    };
    let triggers = ["check", "--triggers", "/etc/moments/triggers"];
    let check = succeed(&mut podman.run(*way, &image, &triggers));
    assert!(check.contains("no errors"), "{check}");
    let demo = ["demo", "--once", "--seconds", "4", "--customers", "150"];
    let said = succeed(&mut podman.run(*way, &image, &demo));
    assert!(said.contains("abandoned-basket"), "{said}");
    assert!(said.contains("  → "), "a treatment in a story: {said}");
}

/// What the image is built from is what its last stage says, but for where the binary comes from.
#[test]
fn the_prebuilt_image_is_the_shipped_one() {
    let file = read("deploy/container/Dockerfile");
    let stages: Vec<&str> = file.split("\nFROM ").skip(1).collect();
    let after_from = |stage: &str| -> Vec<String> {
        let lines = stage.lines().skip(1).filter(|line| !line.is_empty());
        lines.map(str::to_owned).collect()
    };
    let find = |start: &str| {
        let found = stages.iter().find(|stage| stage.starts_with(start));
        after_from(found.unwrap_or_else(|| panic!("no stage {start}")))
    };
    assert_eq!(
        find("base AS prebuilt"),
        ["COPY moments /usr/local/bin/moments"]
    );
    assert_eq!(
        find("base\n"),
        ["COPY --from=build /src/target/release/moments /usr/local/bin/moments"]
    );
}
