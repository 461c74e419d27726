//! Posts events to a handler on this machine.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{Request, Uri};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// How long a handler may take to respond.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The handler's address, if it is plain HTTP on this machine.
pub(crate) fn handler(address: &str) -> Option<Uri> {
    let uri: Uri = address.parse().ok()?;
    (uri.scheme_str() == Some("http") && target(&uri).is_some()).then_some(uri)
}

fn target(uri: &Uri) -> Option<SocketAddr> {
    let host = uri.host()?.trim_start_matches('[').trim_end_matches(']');
    let address: IpAddr = match host {
        "localhost" => IpAddr::from([127, 0, 0, 1]),
        _ => host.parse().ok()?,
    };
    address
        .is_loopback()
        .then(|| SocketAddr::new(address, uri.port_u16().unwrap_or(80)))
}

/// Posts a form once and returns the status of the response.
pub(crate) async fn post(handler: &Uri, form: String) -> io::Result<u16> {
    let target = target(handler).ok_or(io::ErrorKind::InvalidInput)?;
    let posted = async {
        let stream = TcpStream::connect(target).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        let path = handler.path_and_query().map_or("/", |path| path.as_str());
        let request = Request::post(path)
            .header(HOST, target.to_string())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::new(Bytes::from(form)))
            .map_err(io::Error::other)?;
        let response = sender.send_request(request);
        // The connection does the work of the request, so both run until the response is there.
        tokio::pin!(response, connection);
        let mut is_open = true;
        loop {
            tokio::select! {
                response = &mut response => {
                    return response
                        .map(|response| response.status().as_u16())
                        .map_err(io::Error::other);
                }
                ended = &mut connection, if is_open => {
                    ended.map_err(io::Error::other)?;
                    is_open = false;
                }
            }
        }
    };
    tokio::time::timeout(TIMEOUT, posted)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_http_on_loopback_is_a_handler() {
        for good in [
            "http://127.0.0.1:9/x?y=1",
            "http://localhost/",
            "http://[::1]:80/",
        ] {
            assert!(handler(good).is_some(), "{good}");
        }
        for bad in [
            "https://127.0.0.1/",
            "http://10.0.0.1/",
            "http://example.com/",
            "/x",
            "",
        ] {
            assert!(handler(bad).is_none(), "{bad}");
        }
    }
}
