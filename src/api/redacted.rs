//! The `Debug` forms of messages with secrets: they show which secrets are set, and no value.

use std::fmt;

use super::openlines::tenants::v1::{ApplicationCredentials, WebhookCredentials};

/// Shows whether a secret is there.
struct Secret<'a>(&'a str);

impl fmt::Debug for Secret<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() {
            "none"
        } else {
            "[redacted]"
        })
    }
}

impl fmt::Debug for WebhookCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            user_id,
            secret,
            has_secret,
        } = self;
        f.debug_struct("WebhookCredentials")
            .field("user_id", user_id)
            .field("secret", &Secret(secret))
            .field("has_secret", has_secret)
            .finish()
    }
}

impl fmt::Debug for ApplicationCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            client_id,
            client_secret,
            authorization_server,
            application_token,
            access_token,
            access_token_expire_time,
            refresh_token,
            has_client_secret,
            has_application_token,
            has_access_token,
            has_refresh_token,
            scopes,
            token_generation,
        } = self;
        f.debug_struct("ApplicationCredentials")
            .field("client_id", client_id)
            .field("client_secret", &Secret(client_secret))
            .field("authorization_server", authorization_server)
            .field("application_token", &Secret(application_token))
            .field("access_token", &Secret(access_token))
            .field("access_token_expire_time", access_token_expire_time)
            .field("refresh_token", &Secret(refresh_token))
            .field("has_client_secret", has_client_secret)
            .field("has_application_token", has_application_token)
            .field("has_access_token", has_access_token)
            .field("has_refresh_token", has_refresh_token)
            .field("scopes", scopes)
            .field("token_generation", token_generation)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_debug_output_shows_a_secret() {
        let secret = || "s3cr3tcanary".to_owned();
        let webhook = WebhookCredentials {
            secret: secret(),
            ..Default::default()
        };
        let application = ApplicationCredentials {
            client_secret: secret(),
            application_token: secret(),
            access_token: secret(),
            refresh_token: secret(),
            ..Default::default()
        };
        let shown = format!("{webhook:?} {application:?}");
        assert!(!shown.contains("canary"), "{shown}");
        assert_eq!(shown.matches("[redacted]").count(), 5);
    }
}
