//! HTTP statuses as values of a label.

/// Those that say something of their own. A portal, or whatever is in front of it, may send any of
/// 900, and each would be a time series for each method and kind of failure.
///
/// Source: RFC 9110; 499 is nginx's, 460 a load balancer's, 520 to 526 are Cloudflare's.
const NAMED: [u16; 40] = [
    200, 201, 202, 204, 301, 302, 303, 304, 307, 308, 400, 401, 402, 403, 404, 405, 406, 407, 408,
    409, 410, 413, 414, 421, 422, 423, 429, 431, 451, 460, 499, 500, 501, 502, 503, 504, 520, 521,
    522, 524,
];

/// A status as a label has it: the number, or the class of all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum StatusLabel {
    /// No response came.
    None,
    Number(u16),
    /// The first digit.
    Class(u16),
}

impl StatusLabel {
    pub(super) fn of(http_status: Option<u16>) -> Self {
        match http_status {
            None => Self::None,
            Some(status) if NAMED.contains(&status) => Self::Number(status),
            Some(status) => Self::Class(status / 100),
        }
    }

    pub(super) fn to_text(self) -> String {
        match self {
            Self::None => String::new(),
            Self::Number(status) => status.to_string(),
            Self::Class(digit) => format!("{digit}xx"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::time::Duration;

    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn whatever_portals_answer_there_are_few_values() {
        let metrics = Metrics::new().unwrap();
        for status in (100..1_000).map(Some).chain([None]) {
            metrics.portal_request_ended("crm.test", status, "", Duration::ZERO);
        }
        let text = metrics.text().unwrap();
        let counts = text.lines().filter_map(|line| {
            let line = line.strip_prefix("http_client_request_duration_seconds_count{")?;
            let (_, value) = line.split_once("http_response_status_code=\"")?;
            Some(value.split_once('"')?.0)
        });
        let values: HashSet<&str> = counts.collect();
        // Nine classes, and no response.
        assert_eq!(values.len(), NAMED.len() + 9 + 1, "{values:?}");
        for value in ["", "200", "418", "429", "4xx", "9xx"] {
            assert_eq!(values.contains(value), value != "418", "{value}");
        }
    }
}
