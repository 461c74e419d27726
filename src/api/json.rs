//! Messages as people read them: Protobuf's JSON form, with the details of a status spelt out.

use prost::bytes::Bytes;
use prost::{Message, Name};
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use serde_json::Serializer;
use tonic::Status;

use super::DESCRIPTORS;

/// A message could not be shown: its type is not in the descriptors, which is a fault of the build.
#[derive(Debug, thiserror::Error)]
#[error("the message cannot be shown as JSON")]
pub struct NotShown(#[source] Box<dyn std::error::Error + Send + Sync>);

/// A message of the API, indented.
///
/// # Errors
///
/// [`NotShown`].
pub fn of_message<M: Message + Name>(message: &M) -> Result<String, NotShown> {
    pretty(&M::full_name(), message.encode_to_vec().into())
}

/// The `google.rpc.Status` of a failing status, indented, with its details decoded.
///
/// # Errors
///
/// [`NotShown`].
pub fn of_status(status: &Status) -> Result<String, NotShown> {
    pretty(
        "google.rpc.Status",
        Bytes::copy_from_slice(status.details()),
    )
}

fn pretty(name: &str, encoded: Bytes) -> Result<String, NotShown> {
    let pool = DescriptorPool::decode(DESCRIPTORS).map_err(|error| NotShown(error.into()))?;
    let descriptor = pool
        .get_message_by_name(name)
        .ok_or_else(|| NotShown(format!("{name} is not described").into()))?;
    let message =
        DynamicMessage::decode(descriptor, encoded).map_err(|error| NotShown(error.into()))?;
    let mut json = Vec::new();
    message
        .serialize_with_options(&mut Serializer::pretty(&mut json), &SerializeOptions::new())
        .map_err(|error| NotShown(error.into()))?;
    String::from_utf8(json).map_err(|error| NotShown(error.into()))
}
