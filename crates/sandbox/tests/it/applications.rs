//! Installing and removing applications, and their tokens.

use std::time::{Duration, Instant};

use sandbox::{
    Event, EventKind, EventScope, Fault, FaultKind, Moment, Portal, User, decode_form, demo,
};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::desk::*;

const OTHER: &str = "other.bitrix24.test";

fn two_portals() -> Vec<Portal> {
    let owner = User {
        id: demo::OWNER,
        active: true,
        crm_access: true,
    };
    let other = Portal {
        users: vec![owner],
        ..Portal::empty(OTHER)
    };
    vec![Portal::demo(), other]
}

impl Desk {
    /// The form for the handler of an event.
    fn event(&self, host: &str, event: &Event) -> Value {
        let event = event.clone().of(demo::CLIENT_ID);
        Value::Object(decode_form(&self.sandbox.event_form(host, &event).unwrap()))
    }

    async fn app_info(&self, token: &str) -> Result<Response, reqwest::Error> {
        Self::send(self.post_form("/rest/app.info", &format!("auth={token}"))).await
    }

    async fn refresh(&self, token: &str) -> Result<Response, reqwest::Error> {
        let (id, secret) = (demo::CLIENT_ID, demo::CLIENT_SECRET);
        let body = format!(
            "grant_type=refresh_token&client_id={id}&client_secret={secret}&refresh_token={token}"
        );
        Self::send(self.post_form("/oauth/token/", &body)).await
    }
}

fn install() -> Event {
    Event::new(EventKind::AppInstall, "http://127.0.0.1:1/")
}

fn uninstall() -> Event {
    Event::new(EventKind::AppUninstall, "http://127.0.0.1:1/")
}

#[tokio::test]
async fn an_application_of_one_portal_can_be_installed_on_another() {
    let desk = Desk::with(two_portals()).await;
    let auth = desk.event(OTHER, &install())["auth"].clone();
    assert_ne!(auth["application_token"], json!(demo::APPLICATION_TOKEN));
    let token = auth["access_token"].as_str().unwrap();
    let info = desk.app_info(token).await.unwrap().result();
    assert_eq!(info["client_id"], json!(demo::CLIENT_ID));
    assert_eq!(info["install"]["member_id"], auth["member_id"]);
    assert_ne!(auth["member_id"], json!(Portal::demo().member_id));
    let refresh = desk.refresh(auth["refresh_token"].as_str().unwrap()).await;
    assert_eq!(refresh.unwrap().json()["member_id"], auth["member_id"]);
    let nobody = install().of("local.unknown.1");
    assert!(desk.sandbox.event_form(OTHER, &nobody).is_none());
}

#[tokio::test]
async fn a_reinstallation_may_bring_another_application_token() {
    let desk = Desk::open().await;
    let same = desk.event(demo::HOST, &install());
    assert_eq!(
        same["auth"]["application_token"],
        json!(demo::APPLICATION_TOKEN)
    );
    let refreshing = Event {
        renews_application_token: true,
        ..install()
    };
    let other = desk.event(demo::HOST, &refreshing)["auth"]["application_token"].clone();
    assert_ne!(other, json!(demo::APPLICATION_TOKEN));
    assert_eq!(other.as_str().unwrap().len(), 32);
    let removal = desk.event(demo::HOST, &uninstall());
    assert_eq!(removal["auth"]["application_token"], other);
}

#[tokio::test]
async fn permissions_are_separated_as_the_switch_says() {
    let desk = Desk::open().await;
    for (form, expected) in [
        (EventScope::Comma, "imopenlines,imconnector,im,crm"),
        (EventScope::Space, "imopenlines imconnector im crm"),
        (EventScope::CommaSpace, "imopenlines, imconnector, im, crm"),
    ] {
        desk.sandbox.switch(|switches| switches.event_scope = form);
        let event = desk.event(demo::HOST, &install());
        assert_eq!(event["auth"]["scope"], json!(expected));
    }
}

#[tokio::test]
async fn fields_of_an_event_can_be_left_out_or_changed() {
    let desk = Desk::open().await;
    let event = install()
        .with("auth[expires]", None)
        .with("auth[member_id]", Some("forged"));
    let event = desk.event(demo::HOST, &event);
    assert!(event["auth"].get("expires").is_none());
    assert_eq!(event["auth"]["member_id"], json!("forged"));
}

#[tokio::test]
async fn a_removal_ends_every_token_of_the_application() {
    let desk = Desk::open().await;
    let installed = desk.event(demo::HOST, &install());
    let auth = &installed["auth"];
    let removal = desk.event(demo::HOST, &uninstall().with("data[CLEAN]", Some("0")));
    assert_eq!(removal["data"]["CLEAN"], json!("0"));
    for token in [demo::ACCESS_TOKEN, auth["access_token"].as_str().unwrap()] {
        let response = desk.app_info(token).await.unwrap();
        assert_eq!(response.status, 401, "{}", response.body);
    }
    for token in [demo::REFRESH_TOKEN, auth["refresh_token"].as_str().unwrap()] {
        let response = desk.refresh(token).await.unwrap();
        assert_eq!(response.error_code(), "NOT_INSTALLED");
    }
    assert!(desk.sandbox.pairs(demo::HOST, demo::CLIENT_ID).is_empty());
    assert!(
        !desk
            .sandbox
            .expire_current_token(demo::HOST, demo::CLIENT_ID)
    );
}

#[tokio::test]
async fn the_pair_that_works_is_known_and_refreshes_are_counted_by_token() {
    let desk = Desk::open().await;
    let current = || {
        desk.sandbox
            .current_pair(demo::HOST, demo::CLIENT_ID)
            .unwrap()
    };
    assert_eq!(current().access_token.expose_secret(), demo::ACCESS_TOKEN);
    let lost = Fault::once(FaultKind::Close(Moment::After)).for_oauth();
    desk.sandbox.inject(lost);
    assert!(desk.refresh(demo::REFRESH_TOKEN).await.is_err());
    let second = current();
    assert_ne!(second.access_token.expose_secret(), demo::ACCESS_TOKEN);
    assert_eq!(
        desk.app_info(second.access_token.expose_secret())
            .await
            .unwrap()
            .status,
        200
    );
    let again = desk.refresh(demo::REFRESH_TOKEN).await.unwrap();
    assert_eq!(again.error_code(), "invalid_grant");
    desk.refresh(second.refresh_token.expose_secret())
        .await
        .unwrap();
    let pairs = desk.sandbox.pairs(demo::HOST, demo::CLIENT_ID);
    let counted: Vec<(u32, bool)> = pairs
        .iter()
        .map(|pair| (pair.refreshes, pair.is_current))
        .collect();
    assert_eq!(counted, [(1, false), (1, false), (0, true)]);
    assert!(
        desk.sandbox
            .expire_current_token(demo::HOST, demo::CLIENT_ID)
    );
    let expired = desk.app_info(current().access_token.expose_secret()).await;
    assert_eq!(expired.unwrap().error_code(), "expired_token");
}

#[tokio::test]
async fn tokens_of_one_portal_expire_by_its_own_clock() {
    let desk = Desk::with(two_portals()).await;
    let token = |host| {
        let auth = desk.event(host, &install())["auth"].clone();
        auth["access_token"].as_str().unwrap().to_owned()
    };
    let (first, second) = (token(demo::HOST), token(OTHER));
    assert!(
        desk.sandbox
            .advance_clock_of(OTHER, Duration::from_secs(3601))
    );
    assert_eq!(desk.app_info(&first).await.unwrap().status, 200);
    let expired = desk.app_info(&second).await.unwrap();
    assert_eq!(expired.error_code(), "expired_token");
    assert!(!desk.sandbox.advance_clock_of("nobody.test", Duration::ZERO));
    let body = json!({"advance_seconds": 3601, "portal": demo::HOST});
    let response = Desk::send(desk.post_json("/sandbox/clock", &body)).await;
    assert!(response.unwrap().json()["now"].is_string());
    let expired = desk.app_info(&first).await.unwrap();
    assert_eq!(expired.error_code(), "expired_token");
}

#[tokio::test]
async fn access_tokens_live_as_long_as_the_switch_says() {
    let desk = Desk::open().await;
    desk.sandbox
        .switch(|switches| switches.access_token_seconds = 5);
    let pair = desk.refresh(demo::REFRESH_TOKEN).await.unwrap().json();
    assert_eq!(pair["expires_in"], json!(5));
    let auth = desk.event(demo::HOST, &install())["auth"].clone();
    assert_eq!(auth["expires_in"], json!("5"));
    let token = pair["access_token"].as_str().unwrap();
    assert_eq!(desk.app_info(token).await.unwrap().status, 200);
    desk.sandbox.advance_clock(Duration::from_secs(6));
    let expired = desk.app_info(token).await.unwrap();
    assert_eq!(expired.error_code(), "expired_token");
}

/// Every way in which an authorization server can fail, for both of its methods.
#[tokio::test]
async fn the_authorization_server_fails_in_every_way_as_often_as_it_is_told() {
    let desk = Desk::open().await;
    for method in ["oauth.token", "app.info"] {
        for (kind, executes, status) in [
            (FaultKind::Close(Moment::Before), false, None),
            (FaultKind::Reset(Moment::After), true, None),
            (FaultKind::Html(Moment::Before, 200), false, Some(200)),
            (FaultKind::Html(Moment::After, 502), true, Some(502)),
            (FaultKind::Empty(Moment::After), true, Some(200)),
            (
                FaultKind::Slow(Moment::Before, Duration::from_millis(20)),
                true,
                Some(200),
            ),
        ] {
            desk.sandbox.clear_record();
            let name = kind.name();
            desk.sandbox
                .switch(|switches| switches.refresh_grace_seconds = 600);
            desk.sandbox.inject(Fault::next(3, kind).for_method(method));
            for _ in 0..4 {
                let response = match method {
                    "app.info" => {
                        let pair = desk.sandbox.current_pair(demo::HOST, demo::CLIENT_ID);
                        desk.app_info(pair.unwrap().access_token.expose_secret())
                            .await
                    }
                    _ => desk.refresh(demo::REFRESH_TOKEN).await,
                };
                drop(response);
            }
            let entries = desk.sandbox.record().entries;
            let seen: Vec<_> = entries
                .iter()
                .map(|entry| (entry.fault.as_deref(), entry.executed, entry.status))
                .collect();
            let hit = (Some(name), executes, status);
            assert_eq!(seen, [hit, hit, hit, (None, true, Some(200))], "{method}");
        }
    }
}

#[tokio::test]
async fn faults_of_every_method_spare_the_authorization_server() {
    let desk = Desk::open().await;
    desk.sandbox
        .inject(Fault::always(FaultKind::Close(Moment::Before)));
    assert_eq!(desk.app_info(demo::ACCESS_TOKEN).await.unwrap().status, 200);
    assert_eq!(desk.refresh(demo::REFRESH_TOKEN).await.unwrap().status, 200);
    assert!(desk.try_webhook(CRM, &crm_call()).await.is_err());
}

#[tokio::test]
async fn ten_thousand_portals_are_made_and_served_quickly() {
    let begun = Instant::now();
    let portals = (0..10_000).map(|number| {
        let portal = Portal::demo();
        let mut application = portal.applications[0].clone();
        application.grants[0].access_token = format!("a{number}").into();
        application.grants[0].refresh_token = format!("r{number}").into();
        Portal {
            applications: vec![application],
            tokens: Vec::new(),
            host: format!("p{number}.bitrix24.test"),
            member_id: format!("{number:032x}"),
            ..portal
        }
    });
    let desk = Desk::with(portals.collect()).await;
    for number in [0, 5_000, 9_999] {
        for _ in 0..20 {
            let response = desk.app_info(&format!("a{number}")).await.unwrap();
            let member = &response.result()["install"]["member_id"];
            assert_eq!(*member, json!(format!("{number:032x}")));
        }
        let response = desk.refresh(&format!("r{number}")).await.unwrap();
        assert_eq!(response.status, 200);
    }
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
}
