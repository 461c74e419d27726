//! What editors know of a list of callers.

use serde_json::{Value, json};

use crate::auth::Methods;
use crate::settings::schema::{at_least_one, fields, some, text};

/// The JSON Schema of a list of callers.
pub(crate) fn schema() -> Value {
    let given = || text("^[\\s\\S]");
    let entry = || text("^[a-z0-9]{12}:[0-9a-f]{64}$");
    let key = fields(&[("entry", entry()), ("expires", given())], &["entry"]);
    let token = fields(
        &[("issuer", given()), ("subject", given())],
        &["issuer", "subject"],
    );
    let methods: Vec<&str> = Methods::names().collect();
    let caller = fields(
        &[
            ("name", text("^(?!anonymous$)[A-Za-z0-9_.-]{1,63}$")),
            ("tenants", some(text("^([*]|[a-z0-9][a-z0-9_.-]{0,62})$"))),
            ("methods", some(json!({"enum": methods}))),
            ("manages_tenants", json!({"type": "boolean"})),
            ("keys", some(json!({"anyOf": [entry(), key]}))),
            ("tokens", some(token)),
            (
                "certificates",
                some(text("^[A-Za-z][A-Za-z0-9+.-]*:[!-~]+$")),
            ),
        ],
        &["name", "tenants"],
    );
    some(at_least_one(caller, &["keys", "tokens", "certificates"]))
}
