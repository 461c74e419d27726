//! What happens while the search goes on: everything in which a secret has a part.

use std::process::Command;

use bitrix24_openlines::api::openlines::tenants::v1 as tenants;
use bitrix24_openlines::api::openlines::tenants::v1::tenant::Credentials;
use bitrix24_openlines::api::openlines::tenants::v1::tenant_service_client::TenantServiceClient;
use prost_types::FieldMask;
use sandbox::{Event, EventKind, Fault, FaultKind, Moment, OAuthError, Portal, demo};
use secrecy::ExposeSecret;
use tokio::net::TcpListener;

use super::{ENTERED, FILE, MISPLACED, Search};
use crate::support::process::openlines;
use crate::support::with_key;

impl Search {
    /// Gives the tenant of the file a new pair, as a reauthorization does.
    async fn reauthorize(&mut self) {
        let event = Event::new(EventKind::AppInstall, "http://127.0.0.1:1/").of(demo::CLIENT_ID);
        self.sandbox.event_form(demo::HOST, &event).unwrap();
        self.know_granted_tokens();
        let pair = self
            .sandbox
            .current_pair(demo::HOST, demo::CLIENT_ID)
            .unwrap();
        let request = tenants::UpdateTenantRequest {
            tenant: Some(tenants::Tenant {
                name: format!("tenants/{FILE}"),
                credentials: Some(Credentials::Application(tenants::ApplicationCredentials {
                    access_token: pair.access_token.expose_secret().to_owned(),
                    refresh_token: pair.refresh_token.expose_secret().to_owned(),
                    ..Default::default()
                })),
                ..Default::default()
            }),
            update_mask: Some(FieldMask {
                paths: vec![
                    "application.access_token".to_owned(),
                    "application.refresh_token".to_owned(),
                ],
            }),
        };
        let mut client = TenantServiceClient::new(self.channel.clone());
        let answer = client
            .update_tenant(with_key(request, self.key.expose()))
            .await;
        assert_eq!(self.note("an update", &answer), "OK");
        self.soon(FILE, "OK").await;
    }

    /// Installation, forgery, removal, and installation again.
    pub(super) async fn install(&mut self) {
        let tenant = format!("chat.{}", Portal::demo().member_id);
        let install =
            || Event::new(EventKind::AppInstall, "http://127.0.0.1:1/").of(demo::CLIENT_ID);
        let uninstall =
            Event::new(EventKind::AppUninstall, "http://127.0.0.1:1/").of(demo::CLIENT_ID);
        assert_eq!(self.event(&install()).await, 200);
        self.soon(&tenant, "OK").await;
        for (field, value) in [
            (
                "auth[application_token]",
                Some("canary.forged.application.token"),
            ),
            ("auth[access_token]", Some("canary.forged.access.token")),
            ("auth[refresh_token]", None),
            ("auth[member_id]", Some(MISPLACED)),
            ("auth[server_endpoint]", Some("https://evil.example/rest/")),
            ("auth[domain]", Some(MISPLACED)),
        ] {
            self.event(&install().with(field, value)).await;
            self.event(&uninstall.clone().with(field, value)).await;
        }
        assert_eq!(self.event(&uninstall).await, 200);
        self.soon(&tenant, "REAUTHORIZATION_REQUIRED").await;
        let again = Event {
            renews_application_token: true,
            ..install()
        };
        assert_eq!(self.event(&again).await, 200);
        self.soon(&tenant, "OK").await;
    }

    /// Refreshes with every end.
    pub(super) async fn refresh(&mut self) {
        self.reauthorize().await;
        self.expire();
        assert_eq!(self.call(FILE).await, "OK");
        self.sandbox
            .switch(|switches| switches.refresh_grace_seconds = 60);
        let recovered = Fault::once(FaultKind::Reset(Moment::After)).for_oauth();
        self.sandbox.inject(recovered);
        self.expire();
        assert_eq!(self.call(FILE).await, "OK");
        self.sandbox
            .switch(|switches| switches.refresh_grace_seconds = 0);
        for trouble in [
            FaultKind::Html(Moment::Before, 502),
            FaultKind::Silence(Moment::Before),
            FaultKind::Empty(Moment::Before),
        ] {
            self.sandbox.inject(Fault::always(trouble).for_oauth());
            self.expire();
            assert_eq!(self.call(FILE).await, "AUTHORIZATION_SERVER_UNAVAILABLE");
            self.sandbox.clear_faults();
            self.soon(FILE, "OK").await;
        }
        for error in OAuthError::ALL {
            let refusal = FaultKind::oauth_error(*error);
            self.sandbox.inject(Fault::once(refusal).for_oauth());
            self.expire();
            assert_eq!(
                self.call(FILE).await,
                "REAUTHORIZATION_REQUIRED",
                "{error:?}"
            );
            self.reauthorize().await;
        }
        let lost = Fault::once(FaultKind::Reset(Moment::After)).for_oauth();
        self.sandbox.inject(lost);
        self.expire();
        assert_eq!(self.call(FILE).await, "REAUTHORIZATION_REQUIRED");
        self.reauthorize().await;
    }

    /// Moves that are refused, and one that is followed.
    pub(super) async fn change_the_address(&mut self) {
        for origin in ["https://evil.example", "http://127.0.0.1:1", ""] {
            self.sandbox.inject(Fault::once(FaultKind::Redirect {
                origin: origin.to_owned(),
            }));
            assert_eq!(self.call(FILE).await, "PORTAL_MOVED");
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        self.sandbox.rename(listener, demo::HOST).unwrap();
        assert_eq!(self.call("hook").await, "PORTAL_MOVED");
        assert_eq!(self.call(FILE).await, "OK");
    }

    /// Portal and authorization server repeat the secrets that they get, wherever they can.
    pub(super) async fn echo(&mut self) {
        for status in [200, 400, 401, 403, 500] {
            for tenant in ["hook", FILE] {
                self.sandbox.inject(Fault::once(FaultKind::Echo { status }));
                assert_ne!(self.call(tenant).await, "OK", "{status}");
                self.sandbox.inject(Fault::once(FaultKind::Echo { status }));
                self.verify(tenant).await;
                self.sandbox.clear_faults();
            }
            let of_token = Fault::once(FaultKind::Echo { status }).for_method("app.info");
            self.sandbox.inject(of_token);
            self.verify(FILE).await;
            self.sandbox.clear_faults();
        }
        // The cause is kept in the store and shown in lists.
        let refusal = Fault::once(FaultKind::Echo { status: 400 }).for_oauth();
        self.sandbox.inject(refusal);
        self.expire();
        assert_eq!(self.call(FILE).await, "REAUTHORIZATION_REQUIRED");
        let mut client = TenantServiceClient::new(self.channel.clone());
        let request = tenants::ListTenantsRequest::default();
        let answer = client
            .list_tenants(with_key(request, self.key.expose()))
            .await;
        assert_eq!(self.note("a list", &answer), "OK");
        let shown = format!("{:?}", answer.unwrap());
        assert!(shown.contains("sent with [redacted]"), "{shown}");
        self.store().await;
        self.reauthorize().await;
    }

    async fn verify(&mut self, tenant: &str) {
        let mut client = TenantServiceClient::new(self.channel.clone());
        let request = tenants::VerifyTenantRequest {
            name: format!("tenants/{tenant}"),
        };
        let answer = client
            .verify_tenant(with_key(request, self.key.expose()))
            .await;
        self.note("a trial", &answer);
    }

    /// Everything that the tenant service does.
    pub(super) async fn manage(&mut self) {
        let key = self.key.expose().to_owned();
        let mut client = TenantServiceClient::new(self.channel.clone());
        let portal = format!("http://{}", self.sandbox.address());
        let application = || tenants::ApplicationCredentials {
            client_id: "local.canary.1".to_owned(),
            client_secret: ENTERED[1].1.to_owned(),
            access_token: ENTERED[2].1.to_owned(),
            refresh_token: ENTERED[3].1.to_owned(),
            application_token: ENTERED[4].1.to_owned(),
            ..Default::default()
        };
        let webhook = |secret: &str| tenants::WebhookCredentials {
            user_id: 1,
            secret: secret.to_owned(),
            ..Default::default()
        };
        for (id, portal, credentials) in [
            (
                "entered-app",
                &*portal,
                Credentials::Application(application()),
            ),
            (
                "entered-hook",
                &*portal,
                Credentials::Webhook(webhook(ENTERED[0].1)),
            ),
            // Refused, each for another reason.
            (
                "entered-hook",
                &*portal,
                Credentials::Webhook(webhook(ENTERED[0].1)),
            ),
            (
                "bad-portal",
                MISPLACED,
                Credentials::Application(application()),
            ),
            (MISPLACED, &*portal, Credentials::Application(application())),
            (
                "bad-secret",
                &*portal,
                Credentials::Webhook(webhook(MISPLACED)),
            ),
        ] {
            let request = tenants::CreateTenantRequest {
                tenant_id: id.to_owned(),
                tenant: Some(tenants::Tenant {
                    portal: portal.to_owned(),
                    credentials: Some(credentials),
                    ..Default::default()
                }),
            };
            let answer = client.create_tenant(with_key(request, &key)).await;
            self.note("an answer to a creation", &answer);
        }
        let names = [FILE, "hook", "entered-app", "entered-hook", MISPLACED];
        for name in names.map(|name| format!("tenants/{name}")) {
            let request = tenants::GetTenantRequest { name: name.clone() };
            let answer = client.get_tenant(with_key(request, &key)).await;
            self.note("a tenant", &answer);
            let request = tenants::VerifyTenantRequest { name: name.clone() };
            let answer = client.verify_tenant(with_key(request, &key)).await;
            self.note("a verification", &answer);
            let (name, etag) = (name.clone(), String::new());
            let request = tenants::DisableTenantRequest { name, etag };
            let answer = client.disable_tenant(with_key(request, &key)).await;
            self.note("a tenant switched off", &answer);
        }
        let answer = client
            .list_tenants(with_key(tenants::ListTenantsRequest::default(), &key))
            .await;
        assert_eq!(self.note("the list of tenants", &answer), "OK");
        for id in ["entered-app", "entered-hook"] {
            assert_ne!(self.call(id).await, "OK");
        }
        let request = tenants::DeleteTenantRequest {
            name: "tenants/entered-hook".to_owned(),
            ..Default::default()
        };
        let answer = client.delete_tenant(with_key(request, &key)).await;
        assert_eq!(self.note("a deletion", &answer), "OK");
    }

    /// The commands of an operator.
    pub(super) fn command_lines(&mut self) {
        let folder = self.folder();
        let file = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let key = file("key", self.key.expose());
        let secret = file("secret", ENTERED[0].1);
        let misplaced = file("misplaced", MISPLACED);
        let portal = format!("http://{}", self.sandbox.address());
        let keyring = folder.join("keyring").to_str().unwrap().to_owned();
        let url = file("url", self.stores.url());
        let address = format!("http://{}", self.address);
        let create = |secret: &str| {
            let words = [
                "create",
                "by-command",
                "--portal",
                &portal,
                "--webhook-user-id",
                "1",
            ];
            let words = words.into_iter().chain(["--webhook-secret-file", secret]);
            words.map(str::to_owned).collect::<Vec<_>>()
        };
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let mut done = 0;
        for arguments in [
            create(&misplaced),
            create(&secret),
            create(&secret),
            words("get by-command"),
            words("get by-command --output json"),
            words("list"),
            words("list --output json"),
            words("verify by-command"),
            words("delete by-command"),
        ] {
            for key in [&key, &misplaced] {
                let mut command = openlines(&["tenants"]);
                command.args(&arguments);
                command.args(["--address", &address, "--api-key-file", key]);
                done += usize::from(self.run(command));
            }
        }
        for arguments in [words("keys sealing-keys"), words("keys reseal")] {
            for url in [&url, &misplaced] {
                let mut command = openlines(&[]);
                command.args(&arguments);
                command.args(["--store-url-file", url, "--keyring-file", &keyring]);
                done += usize::from(self.run(command));
            }
        }
        assert_eq!(
            done, 8,
            "one creation, four looks, a deletion, two commands for keys"
        );
        // A store that is not there, one whose address cannot be read, and a second service on an
        // SQLite file.
        let settings = self.files.settings();
        let mut urls = vec![
            "postgresql://user:canary.password.of.no.store@127.0.0.1:1/none".to_owned(),
            "postgresql://user:canary.password.of.no.store@[oops/none".to_owned(),
        ];
        urls.extend(self.stores.file().map(|_| self.stores.url().to_owned()));
        for url in urls {
            let mut command = openlines(&["serve", "--config", settings.to_str().unwrap()]);
            command.env("OPENLINES_STORE_URL", url);
            command.env("OPENLINES_ADMIN_LISTEN", "127.0.0.1:0");
            command.env("OPENLINES_LOG_FILTER", "trace");
            assert!(!self.run(command));
        }
        let password = "canary.password.of.no.store".to_owned();
        self.secrets
            .insert("password of no store".to_owned(), password);
    }

    /// Runs a command to its end, and says whether it did what it was asked.
    fn run(&mut self, mut command: Command) -> bool {
        let output = command.output().unwrap();
        let place = format!("output of {command:?}");
        self.haystack.add(&place, &output.stdout);
        self.haystack.add(&place, &output.stderr);
        output.status.success()
    }
}
