//! The demo's settings, as the files that an operator would write.

use std::fs;
use std::io;
use std::net::SocketAddr;

use secrecy::ExposeSecret;
use tempfile::TempDir;

use crate::app::Config;
use crate::auth::NewKey;
use crate::settings::{Environment, SettingErrors};
use sandbox::demo;
use store::sealing::Key;

/// The tenant with application credentials.
pub(super) const APPLICATION: &str = "demo";
/// The tenant with a webhook.
pub(super) const WEBHOOK: &str = "demo-webhook";

/// A folder that other users of the machine may not enter.
fn private_folder() -> io::Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o700));
    }
    builder.tempdir()
}

/// A folder with a settings and a tenants file. It is removed with this value.
pub(super) struct Files {
    folder: TempDir,
}

impl Files {
    pub(super) fn write(portal: SocketAddr, key: &NewKey) -> io::Result<Self> {
        let folder = private_folder()?;
        let tenants = folder.path().join("tenants.yaml");
        let keyring = folder.path().join("keyring");
        let database = format!("sqlite:{}", folder.path().join("openlines.db").display());
        let sealing_key = Key::generate().map_err(io::Error::other)?;
        fs::write(&keyring, sealing_key.expose().expose_secret())?;
        fs::write(
            &tenants,
            format!(
                "tenants:\n\
                 \x20 - id: {APPLICATION}\n\
                 \x20   portal: http://{portal}\n\
                 \x20   application:\n\
                 \x20     access_token: {{inline: \"{token}\"}}\n\
                 \x20 - id: {WEBHOOK}\n\
                 \x20   portal: http://{portal}\n\
                 \x20   webhook:\n\
                 \x20     user_id: {user}\n\
                 \x20     secret: {{inline: \"{secret}\"}}\n",
                token = demo::ACCESS_TOKEN,
                user = demo::OWNER,
                secret = demo::WEBHOOK_SECRET,
            ),
        )?;
        fs::write(
            folder.path().join("settings.yaml"),
            format!(
                "server:\n\
                 \x20 reflection: true\n\
                 \x20 drain_seconds: 1\n\
                 auth:\n\
                 \x20 callers:\n\
                 \x20   - name: demo\n\
                 \x20     tenants: [\"*\"]\n\
                 \x20     keys: [\"{entry}\"]\n\
                 tenants:\n\
                 \x20 file: {tenants}\n\
                 store:\n\
                 \x20 url: {database}\n\
                 \x20 keyring_file: {keyring}\n\
                 portals:\n\
                 \x20 dangerous_allow_insecure: true\n\
                 log:\n\
                 \x20 format: text\n\
                 \x20 filter: warn\n\
                 \x20 audit: false\n",
                entry = key.entry(),
                tenants = serde_json::Value::from(tenants.to_string_lossy()),
                database = serde_json::Value::from(database),
                keyring = serde_json::Value::from(keyring.to_string_lossy()),
            ),
        )?;
        Ok(Self { folder })
    }

    /// Loads the settings without a look at the environment, so that the demo runs the same
    /// everywhere.
    pub(super) fn load(&self) -> Result<Config, SettingErrors> {
        let environment: Environment = std::iter::empty::<(String, String)>().collect();
        Config::load(
            Some(&self.folder.path().join("settings.yaml")),
            &environment,
        )
    }
}
