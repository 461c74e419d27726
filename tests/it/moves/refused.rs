//! Redirects that are not followed: nothing is sent to where they lead, and the stored address
//! stays.

use std::net::SocketAddr;

use sandbox::{Fault, FaultKind, Moment, OAuthError, Portal, demo};
use serde_json::json;
use tokio::net::TcpListener;
use tonic::{Code, Status};

use super::{moves, office};
use crate::refresh::{Office, Opening};
use crate::support::portal::ScriptedPortal;
use crate::support::stores::{Stores, on_both_stores};
use crate::support::{Told, WEBHOOK};

on_both_stores!(
    an_address_outside_the_list_is_not_followed,
    an_address_that_cannot_be_read_is_not_followed,
    a_redirect_to_another_portal_is_not_followed,
    an_address_with_another_member_id_is_not_followed,
    an_address_that_the_authorization_server_does_not_name_is_not_followed,
    a_refusal_of_the_authorization_server_is_no_confirmation,
    a_webhook_follows_nowhere,
    without_the_authorization_server_nothing_is_followed_until_it_is_back,
    a_redirect_loop_ends,
);

fn assert_moved(status: &Status) {
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    assert_eq!(status.reason(), "PORTAL_MOVED");
    assert_eq!(status.outcome(), "not_executed");
}

fn redirect(origin: &str) -> FaultKind {
    FaultKind::Redirect {
        origin: origin.to_owned(),
    }
}

/// The answer of an authorization server that names this portal.
fn info(portal: SocketAddr, member_id: &str) -> Fault {
    let document = json!({"result": {
        "client_id": demo::CLIENT_ID,
        "scope": ["imopenlines"],
        "install": {
            "installed": true,
            "status": "L",
            "domain": portal.to_string(),
            "client_endpoint": format!("http://{portal}/rest/"),
            "member_id": member_id,
        },
    }});
    Fault::always(FaultKind::Scripted {
        status: 200,
        content_type: "application/json".to_owned(),
        body: document.to_string(),
        executed: false,
    })
    .for_method("app.info")
}

/// Calls, with a portal that leads to this origin, and expects the refusal.
async fn is_refused(office: &Office, admin: SocketAddr, origin: &str) -> Status {
    let before = office.tenant().await;
    office.sandbox.inject(Fault::once(redirect(origin)));
    let status = office.call("Hello").await.unwrap_err();
    assert_moved(&status);
    assert_eq!(office.sandbox.record().times_delivered("Hello"), 0);
    let after = office.tenant().await;
    assert_eq!(
        (&after.portal, after.revision),
        (&before.portal, before.revision),
        "{origin}"
    );
    assert_eq!(moves(admin, "followed").await, 0, "{origin}");
    status
}

async fn an_address_outside_the_list_is_not_followed(stores: Stores) {
    let (office, admin) = office(stores).await;
    for origin in [
        "https://evil.example",
        "https://demo.bitrix24.com.evil.example",
        "https://127.0.0.1",
        "https://bitrix24.com",
    ] {
        let status = is_refused(&office, admin, origin).await;
        assert!(status.message().contains("did not follow"), "{status:?}");
    }
    assert_eq!(office.questions(), 0, "nobody needs to be asked");
    assert_eq!(moves(admin, "refused").await, 4);
    office.call("Hello").await.unwrap();
}

async fn an_address_that_cannot_be_read_is_not_followed(stores: Stores) {
    let (office, admin) = office(stores).await;
    let stranger = ScriptedPortal::answering("{}").await;
    let port = stranger.address.port();
    for origin in [
        String::new(),
        "nothing".to_owned(),
        format!("http://localhost:{port}"),
        format!("http://user@127.0.0.1:{port}"),
        format!("https://127.0.0.1:{port}"),
        format!("//127.0.0.1:{port}"),
        format!("HTTP://127.0.0.1:{port}"),
    ] {
        is_refused(&office, admin, &origin).await;
    }
    assert_eq!(office.questions(), 0);
    assert!(stranger.is_untouched());
}

async fn a_redirect_to_another_portal_is_not_followed(stores: Stores) {
    let other = Portal {
        host: "other.bitrix24.test".to_owned(),
        member_id: "00000000000000000000000000000001".to_owned(),
        ..Portal::demo()
    };
    let opening = Opening {
        portals: vec![Portal::demo(), other],
        ..Opening::default()
    };
    let office = Office::begin(stores, opening).await;
    let admin = office.admin;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = office
        .sandbox
        .listen(listener, "other.bitrix24.test")
        .unwrap();
    is_refused(&office, admin, &format!("http://{address}")).await;
    let entries = office.sandbox.record().entries;
    let of_other = entries
        .iter()
        .filter(|entry| entry.portal == "other.bitrix24.test");
    assert_eq!(of_other.count(), 0, "{entries:?}");
    assert_eq!(moves(admin, "refused").await, 1);
}

async fn an_address_with_another_member_id_is_not_followed(stores: Stores) {
    let (office, admin) = office(stores).await;
    // The member id becomes known with the first refresh.
    office.expire();
    office.call("first").await.unwrap();
    let known = office.tenant().await.member_id.unwrap();
    assert_eq!(known.as_str(), Portal::demo().member_id);
    let stranger = ScriptedPortal::answering("{}").await;
    let member_id = "00000000000000000000000000000001";
    office.sandbox.inject(info(stranger.address, member_id));
    is_refused(&office, admin, &format!("http://{}", stranger.address)).await;
    assert_eq!(office.questions(), 1);
    assert!(stranger.is_untouched());
}

async fn an_address_that_the_authorization_server_does_not_name_is_not_followed(stores: Stores) {
    let (office, admin) = office(stores).await;
    let stranger = ScriptedPortal::answering("{}").await;
    is_refused(&office, admin, &format!("http://{}", stranger.address)).await;
    assert_eq!(office.questions(), 1);
    assert!(stranger.is_untouched());
    assert_eq!(moves(admin, "refused").await, 1);
}

async fn a_refusal_of_the_authorization_server_is_no_confirmation(stores: Stores) {
    let (office, admin) = office(stores).await;
    let stranger = ScriptedPortal::answering("{}").await;
    for error in OAuthError::ALL {
        let refusal = FaultKind::oauth_error(*error);
        office
            .sandbox
            .inject(Fault::once(refusal).for_method("app.info"));
        is_refused(&office, admin, &format!("http://{}", stranger.address)).await;
    }
    assert!(stranger.is_untouched());
}

async fn a_webhook_follows_nowhere(stores: Stores) {
    let (office, admin) = office(stores).await;
    office.rename().await;
    let status = office.call_of(&office.service, WEBHOOK, "Hello").await;
    assert_moved(&status.unwrap_err());
    assert_eq!(office.sandbox.record().times_delivered("Hello"), 0);
    assert_eq!(office.questions(), 0);
    assert_eq!(moves(admin, "refused").await, 1);
}

async fn without_the_authorization_server_nothing_is_followed_until_it_is_back(stores: Stores) {
    let (office, admin) = office(stores).await;
    let old = office.tenant().await.portal;
    let new = office.rename().await;
    let troubles = [
        FaultKind::Html(Moment::Before, 502),
        FaultKind::Silence(Moment::Before),
        FaultKind::Reset(Moment::Before),
        FaultKind::Empty(Moment::Before),
    ];
    for trouble in &troubles {
        let fault = Fault::always(trouble.clone()).for_method("app.info");
        office.sandbox.inject(fault);
        let status = office.call("Hello").await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{trouble:?} {status:?}");
        assert_eq!(status.reason(), "AUTHORIZATION_SERVER_UNAVAILABLE");
        assert_eq!(status.outcome(), "not_executed");
        assert_eq!(office.tenant().await.portal, old, "{trouble:?}");
        office.sandbox.clear_faults();
    }
    assert_eq!(moves(admin, "failed").await, 4);
    office.call("Hello").await.unwrap();
    assert_eq!(office.tenant().await.portal, new);
    assert_eq!(office.sandbox.record().times_delivered("Hello"), 1);
}

async fn a_redirect_loop_ends(stores: Stores) {
    let (office, admin) = office(stores).await;
    let old = office.tenant().await.portal;
    let new = office.rename().await;
    // The new address leads to itself.
    office.sandbox.inject(Fault::always(redirect(&new)));
    assert_moved(&office.call("Hello").await.unwrap_err());
    assert_eq!(
        office.redirects(),
        2,
        "the call itself, and once at the new address"
    );
    // From then on the new address leads back to the old one.
    office.sandbox.clear_faults();
    office.sandbox.clear_record();
    office.sandbox.inject(Fault::always(redirect(&old)));
    assert_moved(&office.call("Hello").await.unwrap_err());
    assert_eq!(office.redirects(), 1);
    assert_eq!(
        office.tenant().await.portal,
        new,
        "the one that is confirmed"
    );
    assert_eq!(moves(admin, "followed").await, 1);
    assert_eq!(office.sandbox.record().times_delivered("Hello"), 0);
}
