//! Who may see the pages for people: browsers that were sent here on purpose.
//!
//! A page of anybody can make a browser ask this port under a name of its own that it lets lead
//! here (DNS rebinding). The header `Host` tells it.

use std::net::IpAddr;

use axum::http::HeaderMap;
use axum::http::header::HOST;
use axum::http::uri::Authority;

/// What browsers say of the page that a request comes from.
const FETCH_SITE: &str = "sec-fetch-site";

/// Whether the request names an IP address, `localhost`, or one of these hosts, and does not come
/// from a page of another origin.
pub(super) fn is_meant(headers: &HeaderMap, allowed: &[String]) -> bool {
    let site = headers.get(FETCH_SITE);
    if site.is_some_and(|site| !["same-origin", "none"].iter().any(|own| site == own)) {
        return false;
    }
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return false;
    };
    let host = host.to_str().ok().and_then(|host| host.parse().ok());
    host.is_some_and(|host: Authority| is_known(host.host(), allowed))
}

fn is_known(host: &str, allowed: &[String]) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>().is_ok()
        || host.eq_ignore_ascii_case("localhost")
        || allowed.iter().any(|known| known.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(host: &str, site: Option<&str>) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().unwrap());
        if let Some(site) = site {
            headers.insert(FETCH_SITE, site.parse().unwrap());
        }
        is_meant(&headers, &["admin.acme.example".to_owned()])
    }

    #[test]
    fn a_name_that_leads_here_by_itself_is_not_enough() {
        for host in [
            "127.0.0.1:9090",
            "10.0.0.7",
            "[::1]:9090",
            "localhost:9090",
            "LOCALHOST",
            "Admin.acme.example:9090",
        ] {
            assert!(meant(host, None), "{host}");
        }
        for host in [
            "evil.example:9090",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "admin.acme.example.evil.example",
            "a@b@c",
            "",
        ] {
            assert!(!meant(host, None), "{host}");
        }
        assert!(!is_meant(&HeaderMap::new(), &[]));
    }

    #[test]
    fn a_page_of_another_origin_may_not_ask() {
        assert!(meant("localhost", Some("same-origin")));
        assert!(meant("localhost", Some("none")));
        assert!(!meant("localhost", Some("cross-site")));
        assert!(!meant("localhost", Some("same-site")));
    }
}
