//! Messages as people read them: Protobuf's JSON form, with the details of a status spelt out.

use std::marker::PhantomData;

use prost::bytes::Bytes;
use prost::{Message, Name};
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};
use serde_json::{Deserializer, Serializer};
use tonic::Status;

use super::DESCRIPTORS;

/// A message could not be shown: its type is not in the descriptors, which is a fault of the build.
#[derive(Debug, thiserror::Error)]
#[error("the message cannot be shown as JSON")]
pub struct NotShown(#[source] Box<dyn std::error::Error + Send + Sync>);

/// A text is not the message that it should be.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NotRead(String);

/// One kind of message, as lines of text.
#[derive(Clone, Debug)]
pub struct Form<M> {
    descriptor: MessageDescriptor,
    message: PhantomData<fn() -> M>,
}

impl<M: Message + Name + Default> Form<M> {
    /// The form of this message.
    ///
    /// # Errors
    ///
    /// [`NotShown`].
    pub fn new() -> Result<Self, NotShown> {
        Ok(Self {
            descriptor: descriptor(&M::full_name())?,
            message: PhantomData,
        })
    }

    /// Reads a message. Fields may have their names in the .proto or those of JSON.
    ///
    /// # Errors
    ///
    /// [`NotRead`] with the place.
    pub fn read(&self, text: &str) -> Result<M, NotRead> {
        let mut json = Deserializer::from_str(text);
        let message = DynamicMessage::deserialize(self.descriptor.clone(), &mut json);
        let message = message.map_err(|error| NotRead(error.to_string()))?;
        json.end().map_err(|error| NotRead(error.to_string()))?;
        message
            .transcode_to()
            .map_err(|error| NotRead(error.to_string()))
    }

    /// A message in one line.
    ///
    /// # Errors
    ///
    /// [`NotShown`].
    pub fn line(&self, message: &M) -> Result<String, NotShown> {
        let encoded = message.encode_to_vec();
        let message = DynamicMessage::decode(self.descriptor.clone(), encoded.as_slice())
            .map_err(|error| NotShown(error.into()))?;
        serde_json::to_string(&message).map_err(|error| NotShown(error.into()))
    }
}

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

fn descriptor(name: &str) -> Result<MessageDescriptor, NotShown> {
    let pool = DescriptorPool::decode(DESCRIPTORS).map_err(|error| NotShown(error.into()))?;
    pool.get_message_by_name(name)
        .ok_or_else(|| NotShown(format!("{name} is not described").into()))
}

fn pretty(name: &str, encoded: Bytes) -> Result<String, NotShown> {
    let message = DynamicMessage::decode(descriptor(name)?, encoded)
        .map_err(|error| NotShown(error.into()))?;
    let mut json = Vec::new();
    message
        .serialize_with_options(&mut Serializer::pretty(&mut json), &SerializeOptions::new())
        .map_err(|error| NotShown(error.into()))?;
    String::from_utf8(json).map_err(|error| NotShown(error.into()))
}
