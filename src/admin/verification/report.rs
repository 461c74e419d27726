//! What a trial showed.

use crate::api::openlines::tenants::v1::verify_tenant_response::Verdict;
use crate::api::openlines::tenants::v1::{Finding, VerifyTenantResponse};
use crate::call::CallIdentity;
use crate::error::reason::{Retry, row};
use crate::error::{Error, Failure};
use bitrix24::{CallError, Outcome};

/// What a trial showed.
#[derive(Clone, Debug)]
pub(super) struct Report {
    verdict: Verdict,
    explanation: String,
    findings: Vec<Finding>,
    failure: Option<Failure>,
    scopes: Vec<String>,
}

impl Report {
    /// The credentials were accepted.
    pub(super) fn accepted(explanation: String, scopes: Vec<String>) -> Self {
        Self {
            verdict: Verdict::Working,
            explanation,
            findings: Vec::new(),
            failure: None,
            scopes,
        }
    }

    /// There was nothing to try.
    pub(super) fn unusable(explanation: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Unusable,
            ..Self::accepted(explanation.into(), Vec::new())
        }
    }

    /// The credentials were refused, or there was no response: the reason says which.
    pub(super) fn failed(error: Error, call: &CallIdentity, who: &str) -> Self {
        let what_happened = in_a_trial(&error);
        let mut failure = error.into_failure(call);
        let row = row(failure.reason());
        let mut remedy = row.remedy;
        if let Some(what_happened) = what_happened {
            failure = failure.of_a_trial(format!("{what_happened}; nothing was sent"));
            remedy = "A trial has no effect: try again.";
        }
        let (verdict, what) = match row.retry {
            Retry::AfterFix => (Verdict::Refused, "did not accept the credentials"),
            Retry::Safe | Retry::AfterWait | Retry::SeeOutcome | Retry::MayDuplicate => {
                (Verdict::Unanswered, "gave no answer about the credentials")
            }
        };
        let explanation = format!("{who} {what}: {}. {remedy}", failure.message());
        Self {
            verdict,
            failure: Some(failure),
            ..Self::accepted(explanation, Vec::new())
        }
    }

    /// Something that was stored does not agree with what was answered.
    pub(super) fn mismatch(&mut self, field: &str, description: String) {
        self.verdict = Verdict::Mismatched;
        self.find(field, description);
    }

    pub(super) fn find(&mut self, field: &str, description: String) {
        self.findings.push(Finding {
            field: field.to_owned(),
            description,
        });
    }

    /// Notes permissions that are missing, if anything is known of the permissions.
    ///
    /// Source: the method pages name `imopenlines`; the list of permissions also has `imconnector`.
    pub(super) fn require_scopes(&mut self, field: &str, required: &[&str]) {
        if self.scopes.is_empty() {
            return;
        }
        for scope in required {
            if !self.scopes.iter().any(|granted| granted == scope) {
                let description = format!(
                    "lacks the permission `{scope}`, without which messages are refused; let the portal's administrator \
                     add it"
                );
                self.find(field, description);
            }
        }
    }

    pub(super) fn into_response(self, call: &CallIdentity) -> VerifyTenantResponse {
        let Self {
            verdict,
            explanation,
            findings,
            failure,
            scopes,
        } = self;
        VerifyTenantResponse {
            verdict: verdict.into(),
            explanation,
            findings,
            error: failure.map(|failure| failure.to_rpc_status(call)),
            scopes,
        }
    }
}

/// What happened, where the usual words and remedy are about a message that was or may have been
/// delivered.
fn in_a_trial(error: &Error) -> Option<String> {
    if let Error::Call(CallError::Unanswered(unanswered)) = error {
        return Some(unanswered.to_string());
    }
    if let Error::Call(CallError::Refused(refusal)) = error
        && refusal.outcome() == Outcome::Unknown
    {
        return Some("the portal failed without a word about the credentials".to_owned());
    }
    matches!(error, Error::AnswerNotUnderstood)
        .then(|| "the response is not the documented list of permissions".to_owned())
}
