//! Compiles the protos with protox, so that neither a system `protoc` nor a network is needed, and
//! finds out which commit is built.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// What the program says of what its build did not know.
const UNKNOWN: &str = "unknown";

#[expect(
    clippy::disallowed_methods,
    reason = "Cargo tells a build script its folder no other way"
)]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    println!("cargo:rerun-if-changed=third_party");
    // Not OPENLINES_: programs that cargo runs see these, and settings start so.
    println!("cargo:rustc-env=BUILD_REVISION={}", revision());
    println!("cargo:rustc-env=BUILD_RUSTC={}", rustc());

    let mut compiler = protox::Compiler::new(["proto", "third_party"])?;
    compiler.include_imports(true);
    // Comments: reflection shows them, and docs/errors.md is checked against them.
    compiler.include_source_info(true);
    // The server puts this message into statuses and no RPC names it: reflection needs it all the
    // same.
    compiler.open_files([
        "openlines/v1/open_lines_service.proto",
        "openlines/v1/bitrix24_error.proto",
        "openlines/v1/error_reason.proto",
        "openlines/tenants/v1/tenant_service.proto",
        "google/rpc/error_details.proto",
    ])?;

    // Encoded by the compiler itself: the typed set would drop the validation rules, which are
    // extensions.
    let descriptors = PathBuf::from(env::var("OUT_DIR")?).join("descriptors.binpb");
    fs::write(&descriptors, compiler.encode_file_descriptor_set())?;

    let mut prost = prost_build::Config::new();
    prost.enable_type_names();
    // They carry secrets: src/api/redacted.rs has their Debug forms.
    prost.skip_debug([
        ".openlines.tenants.v1.WebhookCredentials",
        ".openlines.tenants.v1.ApplicationCredentials",
    ]);
    tonic_prost_build::configure()
        .build_client(true)
        .build_transport(false)
        .extern_path(".google.rpc", "::tonic_types::pb")
        // Options only: no generated code refers to them.
        .extern_path(".buf.validate", "crate::api::validation_rules")
        .extern_path(".google.api", "crate::api::field_behavior")
        .compile_fds_with_config(compiler.file_descriptor_set(), prost)?;
    Ok(())
}

/// The commit that is built: what `OPENLINES_REVISION` says, or else what git says. A folder
/// without git builds as well.
#[expect(
    clippy::disallowed_methods,
    reason = "Cargo tells a build script nothing any other way"
)]
fn revision() -> String {
    println!("cargo:rerun-if-env-changed=OPENLINES_REVISION");
    let given = env::var("OPENLINES_REVISION").ok();
    let given = given.filter(|revision| !revision.is_empty());
    // Builds without optimisation are for development: each commit would compile all of it again.
    let is_release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let committed = || is_release.then(commit).flatten();
    given
        .or_else(committed)
        .unwrap_or_else(|| UNKNOWN.to_owned())
}

/// The commit of the folder, if it is a repository of its own and not part of another one.
fn commit() -> Option<String> {
    let root = fs::canonicalize(".").ok()?;
    if fs::canonicalize(git(&["rev-parse", "--show-toplevel"])?).ok()? != root {
        return None;
    }
    // It grows with each commit and each checkout.
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"])?;
    if Path::new(&log).exists() {
        println!("cargo:rerun-if-changed={log}");
    }
    git(&["rev-parse", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// The version of the compiler, like `1.95.0`.
fn rustc() -> String {
    let told = env::var_os("RUSTC").and_then(|rustc| {
        let output = Command::new(rustc).arg("--version").output().ok()?;
        String::from_utf8(output.stdout).ok()
    });
    let version = told.as_deref().and_then(|told| told.split(' ').nth(1));
    version.unwrap_or(UNKNOWN).to_owned()
}
