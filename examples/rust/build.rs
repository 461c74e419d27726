//! Makes the stubs of what `buf build` has compiled, so that no `protoc` is needed.

use std::error::Error;
use std::fs;

use prost::Message as _;
use prost_types::FileDescriptorSet;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=openlines.binpb");
    let api = FileDescriptorSet::decode(fs::read("openlines.binpb")?.as_slice())?;
    tonic_prost_build::configure()
        .build_server(false)
        // They are in tonic-types.
        .extern_path(".google.rpc", "::tonic_types::pb")
        .compile_fds(api)?;
    Ok(())
}
