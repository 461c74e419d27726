//! Values that tests share.

use crate::{Limits, OperatingKey, RateLimit};

pub(crate) const METHOD: &str = "imopenlines.crm.message.add";
pub(crate) const OTHER_METHOD: &str = "imopenlines.network.message.add";

/// Bitrix24's limits. Source: page "limits".
pub(crate) const STANDARD: RateLimit = RateLimit {
    burst: 50,
    per_second: 2.0,
};
pub(crate) const ENTERPRISE: RateLimit = RateLimit {
    burst: 250,
    per_second: 5.0,
};

pub(crate) const LIMITS: Limits = Limits {
    waiting_calls: 10_000,
    parallel_requests: 100,
    batch_calls: 50,
    operating_time: Some(std::time::Duration::from_secs(480)),
    operating_key: OperatingKey::Tenant,
    longest_answer: std::time::Duration::from_secs(61),
};
