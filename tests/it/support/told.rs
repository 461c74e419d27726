//! What tests ask of a failing status.

use prost::Message;
use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt, pb};

/// What tests ask of a failing status.
pub(crate) trait Told {
    fn reason(&self) -> String;
    fn metadata_value(&self, key: &str) -> Option<String>;
    fn outcome(&self) -> String;
    fn details_of(&self) -> ErrorDetails;
    /// Field and rule of each violation in `BadRequest`, in order.
    fn violations(&self) -> Vec<(String, String)>;
}

impl Told for Status {
    fn reason(&self) -> String {
        let details = self.get_error_details();
        let info = details
            .error_info()
            .unwrap_or_else(|| panic!("no ErrorInfo in {self:?}"));
        info.reason.trim_start_matches("ERROR_REASON_").to_owned()
    }

    fn metadata_value(&self, key: &str) -> Option<String> {
        let details = self.get_error_details();
        details
            .error_info()
            .and_then(|info| info.metadata.get(key))
            .cloned()
    }

    fn outcome(&self) -> String {
        self.metadata_value("outcome").unwrap_or_default()
    }

    fn details_of(&self) -> ErrorDetails {
        self.get_error_details()
    }

    fn violations(&self) -> Vec<(String, String)> {
        let status = pb::Status::decode(self.details()).unwrap();
        let bad = status
            .details
            .iter()
            .find(|detail| detail.type_url.ends_with("/google.rpc.BadRequest"));
        let bad = bad.map(|detail| pb::BadRequest::decode(detail.value.as_slice()).unwrap());
        let violations = bad.map(|bad| bad.field_violations).unwrap_or_default();
        let pairs = violations
            .into_iter()
            .map(|found| (found.field, found.reason));
        pairs.collect()
    }
}
