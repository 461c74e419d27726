//! `openlines api`.

use std::io::{self, IsTerminal, Write};

use thiserror::Error;

use super::Failure;
use crate::api::DESCRIPTORS;

/// Binary output would garble the terminal.
#[derive(Debug, Error)]
#[error("the descriptors are binary: write them to a file, `openlines api > api.binpb`")]
pub(super) struct IsTerminalError;

/// Writes a binary `google.protobuf.FileDescriptorSet` to standard output: all services, those of
/// health included, with all imports and comments, and the messages of error details. It is what
/// `grpcurl -protoset` and `buf` read.
pub(super) fn run() -> Result<(), Failure> {
    let mut output = io::stdout().lock();
    if output.is_terminal() {
        return Err(IsTerminalError.into());
    }
    // Encoded sets one after the other are one set: its only field is repeated.
    output.write_all(DESCRIPTORS)?;
    output.write_all(tonic_health::pb::FILE_DESCRIPTOR_SET)?;
    output.flush()?;
    Ok(())
}
