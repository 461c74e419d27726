//! The trial of a webhook: it is asked for its own permissions.

use std::collections::BTreeMap;

use secrecy::SecretString;
use tokio::time::Instant;

use super::{Report, Trial};
use crate::call::CallIdentity;
use crate::error::Error;
use bitrix24::{
    Answer, Credential, Deadlines, Method, Outcome, Parameters, PortalAddress, SendGuard,
};

/// What has no effect on a portal and works with any permission.
const HARMLESS: Method = Method::ReadScopes;

impl Trial<'_> {
    pub(super) async fn webhook(
        &self,
        portal: &PortalAddress,
        user_id: u64,
        secret: &SecretString,
    ) -> Report {
        let credential = Credential::Webhook {
            user_id,
            secret: secret.clone(),
        };
        let call = CallIdentity {
            method: Some(HARMLESS),
            ..self.call.clone()
        };
        let answer = self.ask_portal(portal, &credential).await;
        let scopes = answer.and_then(|answer| scopes(&answer).ok_or(Error::AnswerNotUnderstood));
        let scopes = match scopes {
            Ok(scopes) => scopes,
            Err(error) => return Report::failed(error, &call, "The portal"),
        };
        let explanation = format!("The portal {portal} accepted the webhook of user {user_id}.");
        let mut report = Report::accepted(explanation, scopes);
        report.require_scopes("webhook", &["imopenlines"]);
        report
    }

    async fn ask_portal(
        &self,
        portal: &PortalAddress,
        credential: &Credential,
    ) -> Result<Answer, Error> {
        let none = BTreeMap::<&str, &str>::new();
        let parameters = Parameters::of(&none).map_err(|_| Error::Internal {
            outcome: Outcome::NotExecuted,
        })?;
        let asked = Instant::now();
        let client = &self.service.client;
        let answer = client
            .call(
                portal,
                credential,
                HARMLESS,
                &parameters,
                Deadlines::until(self.deadline),
                &SendGuard::unwatched(),
            )
            .await;
        let (http_status, error_type) = match &answer {
            Ok(answer) => (Some(answer.http_status), ""),
            Err(error) => (error.http_status(), error.kind()),
        };
        let metrics = &self.service.metrics;
        metrics.portal_request_ended(HARMLESS.name(), http_status, error_type, asked.elapsed());
        answer.map_err(Error::from)
    }
}

/// The permissions that the method `scope` tells: a list of words.
fn scopes(answer: &Answer) -> Option<Vec<String>> {
    let words = answer.result.as_array()?.iter();
    words.map(|word| word.as_str().map(str::to_owned)).collect()
}
