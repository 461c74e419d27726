//! The trial of a tenant's credentials, without any effect on its portal.

mod application;
mod webhook;

use tokio::time::Instant;

use crate::api::bitrix24::tenants::v1::verify_tenant_response::Verdict;
use crate::api::bitrix24::tenants::v1::{Finding, VerifyTenantResponse};
use crate::bitrix24::{AuthorizationServer, CallError, Client, Policy};
use crate::error::reason::{Repeat, row};
use crate::error::{CallIdentity, Error, Failure};
use crate::metrics::Metrics;
use crate::tenant::{StoredCredentials, StoredTenant};

/// What a trial needs.
#[derive(Clone, Debug)]
pub(super) struct Verifier {
    pub(super) client: Client,
    pub(super) policy: Policy,
    /// The server that grants the tokens of tenants which name none.
    pub(super) default_server: AuthorizationServer,
    pub(super) metrics: Metrics,
}

/// What a trial showed.
#[derive(Clone, Debug)]
struct Trial {
    verdict: Verdict,
    explanation: String,
    findings: Vec<Finding>,
    failure: Option<Failure>,
    scopes: Vec<String>,
}

impl Verifier {
    /// Tries the credentials of a tenant.
    pub(super) async fn verify(
        &self,
        tenant: &StoredTenant,
        call: &CallIdentity,
        deadline: Instant,
    ) -> VerifyTenantResponse {
        let trial = match &tenant.credentials {
            StoredCredentials::Webhook { user_id, secret } => {
                self.webhook(tenant, *user_id, secret, call, deadline).await
            }
            StoredCredentials::Application(application) => {
                self.application(tenant, application, call, deadline).await
            }
        };
        let Trial {
            verdict,
            explanation,
            findings,
            failure,
            scopes,
        } = trial;
        VerifyTenantResponse {
            verdict: verdict.into(),
            explanation,
            findings,
            error: failure.map(|failure| failure.to_rpc_status(call)),
            scopes,
        }
    }
}

impl Trial {
    /// The credentials were accepted. What was found apart from missing permissions makes them those of another tenant.
    fn accepted(explanation: String, scopes: Vec<String>) -> Self {
        Self {
            verdict: Verdict::Working,
            explanation,
            findings: Vec::new(),
            failure: None,
            scopes,
        }
    }

    /// There was nothing to try.
    fn unusable(explanation: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Unusable,
            ..Self::accepted(explanation.into(), Vec::new())
        }
    }

    /// The credentials were refused, or nobody answered: which of the two, the reason tells.
    fn failed(error: Error, call: &CallIdentity, who: &str) -> Self {
        // Its usual words are about a message that may have been delivered.
        let unanswered = if let Error::Call(CallError::Unanswered(unanswered)) = &error {
            Some(unanswered.to_string())
        } else {
            None
        };
        let mut failure = error.into_failure(call);
        if let Some(unanswered) = unanswered {
            failure = failure.with_message(unanswered);
        }
        let row = row(failure.reason());
        let verdict = match row.repeat {
            Repeat::AfterFix => Verdict::Refused,
            Repeat::Safe | Repeat::AfterWait | Repeat::SeeOutcome | Repeat::MayDuplicate => {
                Verdict::Unanswered
            }
        };
        let what = if verdict == Verdict::Refused {
            "did not accept the credentials"
        } else {
            "gave no answer about the credentials"
        };
        let explanation = format!("{who} {what}: {}. {}", failure.message(), row.remedy);
        Self {
            verdict,
            failure: Some(failure),
            ..Self::accepted(explanation, Vec::new())
        }
    }

    /// Something that was stored does not agree with what was answered.
    fn mismatch(&mut self, field: &str, description: String) {
        self.verdict = Verdict::Mismatched;
        self.find(field, description);
    }

    fn find(&mut self, field: &str, description: String) {
        self.findings.push(Finding {
            field: field.to_owned(),
            description,
        });
    }

    /// Notes permissions that are missing, if anything is known of the permissions.
    ///
    /// Source: the method pages name `imopenlines`; the list of permissions has `imconnector` besides.
    fn require_scopes(&mut self, field: &str, required: &[&str]) {
        if self.scopes.is_empty() {
            return;
        }
        for scope in required {
            if !self.scopes.iter().any(|granted| granted == scope) {
                let description = format!(
                    "lacks the permission `{scope}`, without which messages are refused; let the portal's administrator add it"
                );
                self.find(field, description);
            }
        }
    }
}
