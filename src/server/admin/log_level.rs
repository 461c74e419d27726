//! `/log-level`: which events the log has.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::header::CONTENT_TYPE;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::page::OF_THIS_MOMENT;
use crate::telemetry::LogFilter;

/// The largest body, in bytes.
const BODY: usize = 4096;

/// The longest time until a change falls back, in seconds.
const LONGEST: u64 = 86_400;

/// The filter in force.
pub(super) async fn get() -> Response {
    match LogFilter::of_process() {
        Some(filter) => told(&filter),
        None => without(),
    }
}

/// Another filter, for `?seconds=` or until the process ends.
pub(super) async fn put(uri: Uri, body: Body) -> Response {
    let Some(filter) = LogFilter::of_process() else {
        return without();
    };
    let lasts = match seconds(uri.query()) {
        Ok(lasts) => lasts,
        Err(problem) => return refused(problem),
    };
    let Ok(body) = to_bytes(body, BODY).await else {
        return (StatusCode::PAYLOAD_TOO_LARGE, "too long for a filter\n").into_response();
    };
    let Ok(text) = std::str::from_utf8(&body) else {
        return refused("not UTF-8");
    };
    match filter.set(text, lasts) {
        Ok(()) => told(&filter),
        Err(problem) => refused(problem),
    }
}

/// That of the settings again.
pub(super) async fn delete() -> Response {
    match LogFilter::of_process() {
        Some(filter) => {
            filter.reset();
            told(&filter)
        }
        None => without(),
    }
}

fn told(filter: &LogFilter) -> Response {
    let in_force = filter.in_force();
    let told = json!({
        "filter": in_force.filter,
        "filter_of_settings": in_force.usual,
        "falls_back_in_seconds": in_force.falls_back_in.map(|left| left.as_secs()),
    });
    let headers = [(CONTENT_TYPE, "application/json")];
    (headers, OF_THIS_MOMENT, format!("{told}\n")).into_response()
}

fn refused(problem: impl std::fmt::Display) -> Response {
    (StatusCode::BAD_REQUEST, format!("{problem}\n")).into_response()
}

/// Only where the service is not a process of its own, as in tests.
fn without() -> Response {
    (StatusCode::NOT_FOUND, "this process has no log\n").into_response()
}

/// How long the change lasts, if the query says it.
fn seconds(query: Option<&str>) -> Result<Option<Duration>, &'static str> {
    let mut seconds = None;
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        if name != "seconds" {
            return Err("the query may have `seconds` only");
        }
        let given = value.parse().ok();
        let given = given.filter(|given| (1..=LONGEST).contains(given));
        let given = given.ok_or("seconds is not a whole number from 1 to 86400")?;
        seconds = Some(Duration::from_secs(given));
    }
    Ok(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_lasts_as_long_as_the_query_says() {
        let lasts = |query| seconds(query).map(|lasts| lasts.map(|lasts| lasts.as_secs()));
        assert_eq!(lasts(None), Ok(None));
        assert_eq!(lasts(Some("")), Ok(None));
        assert_eq!(lasts(Some("seconds=600")), Ok(Some(600)));
        for wrong in [
            "seconds=0",
            "seconds=86401",
            "seconds=",
            "seconds=x",
            "minutes=1",
        ] {
            assert!(lasts(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
