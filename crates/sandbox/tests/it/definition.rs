//! Portals defined in YAML.

use sandbox::Portal;
use serde_json::json;

use crate::desk::*;

const FILE: &str = "
portals:
- host: one.bitrix24.test
  demo: true
  limits: {intensity: {burst: 1, drain_per_second: 0}, command_latency_ms: 1}
- host: two.bitrix24.test
  utc_offset_hours: -5
  webhooks: [{user_id: 7, secret: s2, scopes: [imopenlines]}]
  users: [{id: 7}, {id: 8, crm_access: false}]
  crm_chats: [{chat_id: 5, items: [{kind: deal, id: 6}], members: [7]}]
  applications:
  - {client_id: local.1.2, client_secret: x, application_token: y, scopes: [imconnector], grants: [{access_token: a, refresh_token: r, user_id: 7}]}
";

#[tokio::test]
async fn each_portal_is_as_the_file_says() {
    let desk = Desk::with(Portal::from_yaml(FILE).unwrap()).await;
    assert_eq!(desk.as_webhook(CRM, crm_call()).await.status, 200);
    assert_eq!(desk.as_webhook(CRM, crm_call()).await.status, 503);
    let call = json!({"CRM_ENTITY_TYPE": "deal", "CRM_ENTITY": 6, "USER_ID": 7, "CHAT_ID": 5, "MESSAGE": "x"});
    let request = desk.post_json(&format!("/rest/7/s2/{CRM}"), &call);
    let response = Desk::send(request.header("host", "two.bitrix24.test"))
        .await
        .unwrap();
    response.result();
    assert!(
        response.json()["time"]["date_start"]
            .as_str()
            .unwrap()
            .ends_with("-05:00")
    );
    let request = desk.client.get(desk.url("/rest/app.info?auth=a"));
    assert_eq!(
        Desk::send(request).await.unwrap().result()["client_id"],
        json!("local.1.2")
    );
}

#[test]
fn a_wrong_file_is_refused_with_the_name_of_what_is_wrong() {
    for (file, named) in [
        ("portals: [{}]", "host"),
        ("portals: [{host: a, colour: red}]", "colour"),
        ("portals: [{host: a, users: [{id: x}]}]", "id"),
        ("portals: [{host: a, limits: {intensity: fast}}]", "fast"),
        ("portals: [{host: a}, {host: A}]", "twice"),
    ] {
        let problem = Portal::from_yaml(file).unwrap_err();
        assert!(problem.contains(named), "{file}: {problem}");
    }
}
