//! Portals that get another address.

use sandbox::{Fault, FaultKind, Portal, demo};
use serde_json::json;
use tokio::net::TcpListener;

use crate::desk::*;

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

impl Desk {
    /// Calls the CRM method at another address of the sandbox.
    async fn call_at(&self, address: &str) -> Response {
        let url = format!("http://{address}{}", webhook(CRM));
        let request = self.client.post(url).body(crm_call().to_string());
        Self::send(request.header("content-type", "application/json"))
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn a_renamed_portal_answers_at_its_new_address_and_points_there_from_the_old_one() {
    let desk = Desk::open().await;
    let old = desk.sandbox.address().to_string();
    let new = desk.sandbox.rename(listener().await, demo::HOST).unwrap();
    let moved = desk.call_at(&old).await;
    assert_eq!((moved.status, moved.body.as_str()), (302, ""));
    assert_eq!(
        moved.location,
        Some(format!("http://{new}{}", webhook(CRM)))
    );
    assert!(!desk.last_entry().executed);
    let page = Desk::send(desk.client.get(desk.url("/any/page?x=1"))).await;
    assert_eq!(
        page.unwrap().location,
        Some(format!("http://{new}/any/page?x=1"))
    );
    desk.call_at(&new.to_string()).await.result();
    assert_eq!(desk.sandbox.record().executed(), 1);
}

#[tokio::test]
async fn the_authorization_server_stays_and_names_the_new_address_of_the_same_portal() {
    let desk = Desk::open().await;
    let new = desk.sandbox.rename(listener().await, demo::HOST).unwrap();
    let endpoint = json!(format!("http://{new}/rest/"));
    let info = desk.as_application("app.info", json!({})).await.result();
    assert_eq!(info["install"]["client_endpoint"], endpoint);
    assert_eq!(info["install"]["domain"], json!(new.to_string()));
    assert_eq!(
        info["install"]["member_id"],
        json!(Portal::demo().member_id)
    );
    let body = format!(
        "grant_type=refresh_token&client_id={}&client_secret={}&refresh_token={}",
        demo::CLIENT_ID,
        demo::CLIENT_SECRET,
        demo::REFRESH_TOKEN
    );
    let pair = Desk::send(desk.post_form("/oauth/token/", &body)).await;
    let pair = pair.unwrap().json();
    assert_eq!(pair["client_endpoint"], endpoint);
    assert_eq!(pair["server_endpoint"], json!(desk.url("/rest/")));
    assert_eq!(pair["member_id"], json!(Portal::demo().member_id));
}

#[tokio::test]
async fn a_portal_can_be_renamed_again_and_each_old_address_points_to_the_newest() {
    let desk = Desk::open().await;
    let own = desk.sandbox.listen(listener().await, demo::HOST).unwrap();
    desk.call_at(&own.to_string()).await.result();
    let first = desk.sandbox.rename(listener().await, demo::HOST).unwrap();
    let second = desk.sandbox.rename(listener().await, demo::HOST).unwrap();
    for old in [desk.sandbox.address(), own, first] {
        let moved = desk.call_at(&old.to_string()).await;
        assert_eq!(
            moved.location,
            Some(format!("http://{second}{}", webhook(CRM))),
            "{old}"
        );
    }
    desk.call_at(&second.to_string()).await.result();
    let nobody = desk.sandbox.rename(listener().await, "nobody.test");
    assert!(nobody.is_err());
}

#[tokio::test]
async fn renaming_one_portal_leaves_the_others_where_they_are() {
    let other = Portal {
        host: "other.bitrix24.test".to_owned(),
        ..Portal::demo()
    };
    let desk = Desk::with(vec![Portal::demo(), other]).await;
    desk.sandbox.rename(listener().await, demo::HOST).unwrap();
    let own = desk
        .sandbox
        .listen(listener().await, "other.bitrix24.test")
        .unwrap();
    desk.call_at(&own.to_string()).await.result();
}

/// The attack: the old address redirects to a foreign portal.
#[tokio::test]
async fn a_redirect_can_lead_to_another_portal_while_the_authorization_server_tells_the_truth() {
    let other = Portal {
        host: "other.bitrix24.test".to_owned(),
        member_id: "ff".repeat(16),
        ..Portal::demo()
    };
    let desk = Desk::with(vec![Portal::demo(), other]).await;
    let own = desk
        .sandbox
        .listen(listener().await, "other.bitrix24.test")
        .unwrap();
    let origin = format!("http://{own}");
    let kind = FaultKind::Redirect {
        origin: origin.clone(),
    };
    desk.sandbox
        .inject(Fault::always(kind).for_portal(demo::HOST));
    let moved = desk.call_at(&desk.sandbox.address().to_string()).await;
    assert_eq!(moved.location, Some(format!("{origin}{}", webhook(CRM))));
    let info = desk.as_application("app.info", json!({})).await.result();
    assert_eq!(
        info["install"]["client_endpoint"],
        json!(desk.url("/rest/"))
    );
    assert_eq!(
        info["install"]["member_id"],
        json!(Portal::demo().member_id)
    );
}

#[tokio::test]
async fn the_control_renames_a_portal_to_a_free_or_a_given_address() {
    let desk = Desk::open().await;
    let rename = async |body| {
        Desk::send(desk.post_json("/sandbox/renames", &body))
            .await
            .unwrap()
    };
    let renamed = rename(json!({})).await.json();
    assert_eq!(renamed["portal"], json!(demo::HOST));
    let address = renamed["address"].as_str().unwrap().to_owned();
    desk.call_at(&address).await.result();
    let renamed = rename(json!({"portal": demo::HOST, "listen": "127.0.0.1:0"})).await;
    assert_ne!(renamed.json()["address"], json!(address));
    for (body, field) in [
        (json!({"listen": "0.0.0.0:0"}), "listen"),
        (json!({"listen": address}), "listen"),
        (json!({"portal": "nobody.test"}), "portal"),
        (json!({"more": 1}), "more"),
    ] {
        let response = rename(body).await;
        assert_eq!(
            (response.status, response.json()["field"].as_str()),
            (400, Some(field))
        );
    }
    let read = Desk::send(desk.client.get(desk.url("/sandbox/renames"))).await;
    assert_eq!(read.unwrap().status, 405);
}

/// How a test reaches thousands of portals without as many listeners.
#[tokio::test]
async fn each_portal_can_be_reached_by_a_loopback_address_of_its_own() {
    let hosts = ["127.1.0.1", "127.1.0.2"];
    let portals = hosts.map(|host| Portal {
        host: host.to_owned(),
        member_id: format!("member of {host}"),
        ..Portal::demo()
    });
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let sandbox = sandbox::Sandbox::start(listener, portals.into()).unwrap();
    let port = sandbox.address().port();
    let client = Desk::open().await.client;
    for host in hosts {
        let url = format!("http://{host}:{port}{}", webhook(CRM));
        let request = client.post(&url).body(crm_call().to_string());
        let request = request.header("content-type", "application/json");
        Desk::send(request).await.unwrap().result();
        let entry = sandbox.record().entries.pop().unwrap();
        assert_eq!(entry.portal, host);
    }
}
