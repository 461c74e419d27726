//! The trial of a webhook: it is asked for its own permissions.

use std::collections::BTreeMap;

use secrecy::SecretString;
use tokio::time::Instant;

use super::{Trial, Verifier};
use crate::bitrix24::{Answer, Credential, Method, Outcome, Parameters, PortalAddress};
use crate::error::{CallIdentity, Error};
use crate::tenant::StoredTenant;

impl Verifier {
    pub(super) async fn webhook(
        &self,
        tenant: &StoredTenant,
        user_id: u64,
        secret: &SecretString,
        call: &CallIdentity,
        deadline: Instant,
    ) -> Trial {
        let portal = match PortalAddress::parse(&tenant.portal, &self.policy) {
            Ok(portal) => portal,
            Err(fault) => {
                return Trial::unusable(format!("Nothing was asked: the tenant's portal {fault}."));
            }
        };
        let credential = Credential::Webhook {
            user_id,
            secret: secret.clone(),
        };
        let call = CallIdentity {
            method: Some(Method::ReadScopes),
            ..call.clone()
        };
        let answer = self.ask_portal(&portal, &credential, deadline).await;
        let scopes = match answer.map(|answer| scopes(&answer)) {
            Ok(Some(scopes)) => scopes,
            Ok(None) => {
                return Trial::failed(Error::AnswerNotUnderstood, &call, "The portal");
            }
            Err(error) => return Trial::failed(error, &call, "The portal"),
        };
        let mut trial = Trial::accepted(
            format!("The portal {portal} accepted the webhook of user {user_id}."),
            scopes,
        );
        trial.require_scopes("webhook", &["imopenlines"]);
        trial
    }

    async fn ask_portal(
        &self,
        portal: &PortalAddress,
        credential: &Credential,
        deadline: Instant,
    ) -> Result<Answer, Error> {
        let parameters =
            Parameters::of(&BTreeMap::<&str, &str>::new()).map_err(|_| Error::Internal {
                outcome: Outcome::NotExecuted,
            })?;
        let method = Method::ReadScopes;
        let asked = Instant::now();
        let answer = self
            .client
            .call(portal, credential, method, &parameters, deadline)
            .await;
        let (http_status, error_type) = match &answer {
            Ok(answer) => (Some(answer.http_status), ""),
            Err(error) => (error.http_status(), error.kind()),
        };
        let duration = asked.elapsed();
        self.metrics
            .portal_request_ended(method.name(), http_status, error_type, duration);
        answer.map_err(Error::from)
    }
}

/// The permissions that the method `scope` tells: a list of words.
fn scopes(answer: &Answer) -> Option<Vec<String>> {
    let words = answer.result.as_array()?.iter();
    words.map(|word| word.as_str().map(str::to_owned)).collect()
}
