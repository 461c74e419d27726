//! Compiles the protos with protox, so that neither a system `protoc` nor a network is needed.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

#[expect(
    clippy::disallowed_methods,
    reason = "Cargo tells a build script its folder no other way"
)]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    println!("cargo:rerun-if-changed=third_party");

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
        .compile_fds_with_config(compiler.file_descriptor_set(), prost)?;
    Ok(())
}
