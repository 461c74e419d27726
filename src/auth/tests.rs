//! Callers, with each means and against each way to cheat.

mod certificates;
mod keys;
mod remembered;
#[path = "../../tests/it/support/signer.rs"]
mod signer;
mod tokens;

use std::io::Write;

use http::{HeaderMap, HeaderValue, header};
use serde_json::Value;

use super::settings::Auth;
use super::{Caller, Callers, PeerCertificate, Presented, Rejected, Remembered};
use crate::settings::{Document, Environment, Reader};
use bitrix24::TenantId;

fn tenant(id: &str) -> TenantId {
    TenantId::parse(id).unwrap()
}

/// The section `auth` of the settings.
fn auth(section: &str) -> Auth {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let section: Value = serde_saphyr::from_str(section).unwrap();
    let settings = serde_json::json!({ "auth": section });
    file.write_all(settings.to_string().as_bytes()).unwrap();
    let document = Document::read(file.path(), "settings file").unwrap();
    let environment = Environment::default();
    let mut reader = Reader::new(&document, &environment);
    let auth = Auth::read(&mut reader);
    let pass = reader.finish();
    assert!(pass.errors.is_empty(), "{}", pass.errors);
    auth.unwrap()
}

fn callers(section: &str) -> Callers {
    Callers::new(&auth(section))
}

/// Presents these `authorization` headers.
fn present<Header: AsRef<[u8]>>(
    callers: &Callers,
    authorization: impl IntoIterator<Item = Header>,
) -> Result<Caller, Rejected> {
    present_with(callers, authorization, None)
}

/// Presents these headers over a connection with this client certificate.
fn present_with<Header: AsRef<[u8]>>(
    callers: &Callers,
    authorization: impl IntoIterator<Item = Header>,
    peer: Option<&PeerCertificate>,
) -> Result<Caller, Rejected> {
    let mut headers = HeaderMap::new();
    for value in authorization {
        let value = HeaderValue::from_bytes(value.as_ref()).unwrap();
        headers.append(header::AUTHORIZATION, value);
    }
    let headers = &headers;
    let presented = Presented { headers, peer };
    let judged = callers.authenticate(&presented);
    // The same over a connection that remembers it.
    let remembered = Remembered::default();
    for _ in 0..2 {
        let again = callers.recognize(&presented, &remembered);
        let (again, judged) = (again.as_ref(), judged.as_ref());
        assert_eq!(again.map(Caller::name), judged.map(Caller::name));
    }
    judged
}

const NONE: [&str; 0] = [];
