//! A tenant's credential for its portal.

use secrecy::SecretString;

/// A tenant's credential for its portal. Its `Debug` form shows no secret.
#[derive(Clone, Debug)]
pub enum Credential {
    /// An incoming webhook. Both values are parts of the request's path.
    ///
    /// Source: page "local webhooks".
    Webhook {
        /// The portal user on whose behalf the webhook acts, 1 or more.
        user_id: u64,
        /// ASCII letters and digits only, so that it cannot change the path around it.
        secret: SecretString,
    },
    /// An application. The access token is a member of the body.
    ///
    /// Source: page "authorization".
    Application {
        /// Visible ASCII characters. Valid for one hour.
        access_token: SecretString,
    },
}

impl Credential {
    /// Whether calls are made in the context of an application.
    pub fn is_application(&self) -> bool {
        matches!(self, Self::Application { .. })
    }
}
