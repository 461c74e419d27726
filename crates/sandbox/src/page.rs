//! The page on which people look at a portal: one document, without anything from elsewhere.
//!
//! It shows texts that anybody may have sent. Its script makes elements and sets their text, and
//! never reads markup; its policy forbids all but this script and style.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderValue;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use sha2::{Digest, Sha256};

use crate::response::{HTML, HttpResponse};

const DOCUMENT: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/style.css");

/// In the order in which they run; they share one scope.
const SCRIPTS: [&str; 9] = [
    include_str!("page/script/elements.js"),
    include_str!("page/script/text.js"),
    include_str!("page/script/markup.js"),
    include_str!("page/script/blocks.js"),
    include_str!("page/script/chats.js"),
    include_str!("page/script/requests.js"),
    include_str!("page/script/limits.js"),
    include_str!("page/script/controls.js"),
    include_str!("page/script/watch.js"),
];

/// The document and the policy that it is sent with.
struct Page {
    document: Bytes,
    policy: HeaderValue,
}

static PAGE: LazyLock<Page> = LazyLock::new(|| {
    let script = format!("\"use strict\";\n(() => {{\n{}}})();\n", SCRIPTS.concat());
    let document = DOCUMENT
        .replacen("{style}", STYLE, 1)
        .replacen("{script}", &script, 1);
    let policy = format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; connect-src 'self'; img-src data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
        hash(&script),
        hash(STYLE),
    );
    Page {
        document: Bytes::from(document),
        // All of it is visible ASCII.
        policy: HeaderValue::try_from(policy)
            .unwrap_or(HeaderValue::from_static("default-src 'none'")),
    }
});

pub(crate) fn respond() -> HttpResponse {
    let page = &*PAGE;
    let mut response = HttpResponse::new(200, HTML, page.document.clone());
    let headers: [(HeaderName, HeaderValue); 4] = [
        (CONTENT_SECURITY_POLICY, page.policy.clone()),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    response.headers.extend(headers);
    response
}

/// As a policy names a script or style.
fn hash(text: &str) -> String {
    format!(
        "sha256-{}",
        STANDARD.encode(Sha256::digest(text.as_bytes()))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_needs_nothing_from_elsewhere_and_never_reads_markup() {
        let document = String::from_utf8(PAGE.document.to_vec()).unwrap();
        assert!(document.len() < 200_000);
        for (count, once) in [
            ("<script>", 1),
            ("<style>", 1),
            ("</script>", 1),
            ("</style>", 1),
        ] {
            assert_eq!(document.matches(count).count(), once, "{count}");
        }
        for forbidden in [
            "src=",
            "@import",
            "url(",
            "<link rel=\"stylesheet",
            "<iframe",
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "DOMParser",
            "createContextualFragment",
            "eval(",
            "new Function",
            "setTimeout(\"",
            "onclick=",
            "onerror=",
            "style=\"",
        ] {
            assert!(!document.contains(forbidden), "{forbidden}");
        }
        assert!(!document.contains("{style}") && !document.contains("{script}"));
    }
}
