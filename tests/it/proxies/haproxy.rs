//! HAProxy: its settings, and what it says of itself.

use std::fmt::Write as _;
use std::path::Path;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::front::{Options, Places, Protocol};

/// The socket for administrators.
const SOCKET: &str = "socket";

pub(super) fn settings(options: Options, places: &Places<'_>) -> String {
    let Places {
        folder,
        address,
        upstreams,
        ..
    } = places;
    let protocols = match options.protocol {
        Protocol::Http1 => "http/1.1",
        Protocol::Http2 => "h2,http/1.1",
    };
    let mut servers = String::new();
    for (number, upstream) in upstreams.iter().enumerate() {
        let _ = writeln!(servers, "  server s{number} {upstream}");
    }
    format!(
        "global\n  nbthread 2\n  maxconn 4096\n\
         \x20 stats socket {folder}/{SOCKET} mode 600 level admin expose-fd listeners\n\
         defaults\n  mode http\n  retries 3\n  option redispatch\n\
         \x20 timeout connect 5s\n  timeout client 75s\n  timeout server 75s\n\
         \x20 timeout http-keep-alive {keepalive_ms}ms\n\
         frontend portal\n  bind {address} ssl crt {folder}/both.pem alpn {protocols}\n\
         \x20 default_backend portal\n\
         backend portal\n{servers}",
        keepalive_ms = options.keepalive_ms,
    )
}

/// How many TLS connections it has accepted since its start or reload.
pub(super) async fn connections(folder: &Path) -> u64 {
    let mut socket = UnixStream::connect(folder.join(SOCKET)).await.unwrap();
    socket.write_all(b"show info\n").await.unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).await.unwrap();
    let found = text
        .lines()
        .find_map(|line| line.strip_prefix("CumSslConns: "));
    found.unwrap().trim().parse().unwrap()
}
