//! The JSON Schema of the tenants file.

use serde_json::{Value, json};

use crate::settings::schema::{at_least_one, exactly_one, fields, of_list, text};
use crate::tenant::secret_source;

/// The schema of the file, for editors.
pub(crate) fn schema() -> Value {
    let secret = secret_source::schema;
    let given = || text("^[\\s\\S]");
    let own_plan = fields(
        &[
            (
                "burst",
                json!({"type": "integer", "minimum": 1, "maximum": 10_000}),
            ),
            (
                "per_second",
                json!({"type": "number", "exclusiveMinimum": 0, "maximum": 1_000}),
            ),
        ],
        &["burst", "per_second"],
    );
    let named_plan = json!({"enum": ["standard", "enterprise", "unlimited"]});
    let webhook = fields(
        &[
            ("user_id", json!({"type": "integer", "minimum": 1})),
            ("secret", secret()),
        ],
        &["user_id", "secret"],
    );
    let application = fields(
        &[
            ("client_id", text("^\\S+$")),
            ("client_secret", secret()),
            ("authorization_server", given()),
            ("member_id", given()),
            ("access_token", secret()),
            ("refresh_token", secret()),
            ("application_token", secret()),
        ],
        &[],
    );
    let tenant = fields(
        &[
            ("id", text("^[a-z0-9][a-z0-9_.-]{0,62}$")),
            ("display_name", json!({"type": "string", "maxLength": 200})),
            ("portal", given()),
            ("plan", json!({"anyOf": [named_plan, own_plan]})),
            ("webhook", webhook),
            (
                "application",
                at_least_one(application, &["access_token", "refresh_token"]),
            ),
        ],
        &["id", "portal"],
    );
    let tenant = exactly_one(tenant, &["webhook", "application"]);
    let list = json!({"type": "array", "items": tenant});
    of_list(
        "Tenants of openlines, see docs/settings.md",
        "tenants",
        list,
    )
}
