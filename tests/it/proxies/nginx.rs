//! nginx: its settings, and what it says of itself.

use std::fmt::Write as _;
use std::net::SocketAddr;

use super::front::{Options, Places, Protocol};
use crate::support::admin;

pub(super) fn settings(options: Options, places: &Places<'_>) -> String {
    let Options {
        keepalive_requests,
        keepalive_ms,
        ..
    } = options;
    let Places {
        folder,
        address,
        status,
        upstreams,
    } = places;
    let http2 = match options.protocol {
        Protocol::Http1 => "",
        Protocol::Http2 => "http2",
    };
    let mut servers = String::new();
    for upstream in *upstreams {
        let _ = write!(servers, "server {upstream}; ");
    }
    let mut folders = String::new();
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        let _ = write!(folders, "{kind}_temp_path {folder}/{kind}; ");
    }
    format!(
        "daemon off; worker_processes 2; pid {folder}/pid; error_log stderr crit;\n\
         events {{ worker_connections 1024; }}\n\
         http {{ access_log off; {folders}\n\
         upstream portal {{ {servers}keepalive 64; }}\n\
         server {{ listen {status}; location / {{ stub_status; }} }}\n\
         server {{ listen {address} ssl {http2};\n\
         ssl_certificate {folder}/certificate.pem; ssl_certificate_key {folder}/key.pem;\n\
         keepalive_requests {keepalive_requests}; keepalive_timeout {keepalive_ms}ms;\n\
         location / {{ proxy_pass http://portal; proxy_http_version 1.1;\n\
         proxy_set_header Connection ''; proxy_set_header Host $host; }} }} }}\n"
    )
}

/// How many connections it has accepted.
pub(super) async fn connections(status: SocketAddr) -> u64 {
    let text = admin::page(status, "/").await;
    // The third line counts connections that were accepted, and handled, and requests.
    let counts = text.lines().nth(2).unwrap();
    counts.split_whitespace().next().unwrap().parse().unwrap()
}
