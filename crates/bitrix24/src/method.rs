//! The REST methods that the service calls.

use std::fmt;

/// A REST method of Bitrix24.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// `imconnector.send.messages`
    SendConnectorMessages,
    /// `imopenlines.crm.message.add`
    AddCrmMessage,
    /// `imopenlines.network.message.add`
    AddNetworkMessage,
    /// `scope`: returns the permissions of the credential, without side effects.
    ///
    /// Source: method page `scope`: any credential may call it.
    ReadScopes,
}

impl Method {
    /// Every method.
    pub const ALL: [Self; 4] = [
        Self::SendConnectorMessages,
        Self::AddCrmMessage,
        Self::AddNetworkMessage,
        Self::ReadScopes,
    ];

    /// The name in Bitrix24's documentation and in the path of a request.
    pub fn name(self) -> &'static str {
        match self {
            Self::SendConnectorMessages => "imconnector.send.messages",
            Self::AddCrmMessage => "imopenlines.crm.message.add",
            Self::AddNetworkMessage => "imopenlines.network.message.add",
            Self::ReadScopes => "scope",
        }
    }

    /// Whether the method needs an application's credential and refuses webhooks.
    ///
    /// Source: method page `imconnector.send.messages`.
    pub fn needs_application(self) -> bool {
        matches!(self, Self::SendConnectorMessages)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
