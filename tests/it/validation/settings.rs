//! Each setting `validation.*` changes its rule.

use sandbox::demo;

use super::assert_only_violation;
use super::limits::{attachment_of, keyboard_of};
use crate::support::World;
use crate::support::requests::{
    connector_message, connector_messages, crm_message, network_message,
};

#[tokio::test]
async fn names_can_be_left_unchecked() {
    let mut message = connector_message("m1", "text");
    let user = message.user.as_mut().unwrap();
    user.first_name = "R2-D2 🙂".repeat(10);
    user.last_name = "_".to_owned();
    let request = connector_messages(vec![message]);

    let world = World::with_settings(&[("VALIDATION_NAMES", "unchecked")]).await;
    world.send(request.clone()).await.unwrap();
    assert_eq!(world.sandbox.record().times_delivered("text"), 1);

    let world = World::with_settings(&[("VALIDATION_NAMES", "strict")]).await;
    assert!(world.send(request).await.is_err());
    assert_eq!(world.sandbox.record().entries, []);
}

#[tokio::test]
async fn the_number_of_messages_follows_its_setting() {
    for maximum in [1, 101] {
        let setting = maximum.to_string();
        let world = World::with_settings(&[("VALIDATION_MAXIMUM_MESSAGES", &setting)]).await;
        let messages = |count| connector_messages(vec![connector_message("m", "text"); count]);
        world.send(messages(maximum)).await.unwrap();
        let status = world.send(messages(maximum + 1)).await.unwrap_err();
        assert_only_violation(&status, "messages", "TOO_MANY");
        assert_eq!(world.sandbox.record().times_delivered("text"), maximum);
    }
}

#[tokio::test]
async fn the_length_of_texts_follows_its_setting() {
    for maximum in [1, 20_001] {
        let setting = maximum.to_string();
        let world = World::with_settings(&[("VALIDATION_MAXIMUM_TEXT_CHARACTERS", &setting)]).await;
        let fits = "я".repeat(maximum);
        let text = "я".repeat(maximum + 1);
        world.send(crm_message(&fits)).await.unwrap();
        world.send(network_message(&fits)).await.unwrap();
        let message = connector_message("m", &fits);
        world.send(connector_messages(vec![message])).await.unwrap();
        assert_eq!(world.sandbox.record().times_delivered(&fits), 3);

        let status = world.send(crm_message(&text)).await.unwrap_err();
        assert_only_violation(&status, "text", "TOO_LONG");
        let status = world.send(network_message(&text)).await.unwrap_err();
        assert_only_violation(&status, "text", "TOO_LONG");
        let message = connector_message("m", &text);
        let status = world
            .send(connector_messages(vec![message]))
            .await
            .unwrap_err();
        assert_only_violation(&status, "messages[0].message.text", "TOO_LONG");
        assert_eq!(world.sandbox.record().times_delivered(&text), 0);
    }
}

#[tokio::test]
async fn the_sizes_of_attachments_and_keyboards_follow_their_settings() {
    for maximum in [100, 40_000] {
        let setting = maximum.to_string();
        let settings = [
            ("VALIDATION_MAXIMUM_ATTACHMENT_BYTES", setting.as_str()),
            ("VALIDATION_MAXIMUM_KEYBOARD_BYTES", setting.as_str()),
        ];
        let world = World::with_settings(&settings).await;
        world
            .sandbox
            .alter(demo::HOST, |portal| portal.nfr_licence = true);
        world
            .sandbox
            .switch(|switches| switches.keyboard_limit = 50_000);
        let mut request = network_message("text");
        request.attachment_form = Some(attachment_of(maximum));
        request.keyboard_form = Some(keyboard_of(maximum));
        world.send(request.clone()).await.unwrap();

        let mut larger = request.clone();
        larger.attachment_form = Some(attachment_of(maximum + 1));
        let status = world.send(larger).await.unwrap_err();
        assert_only_violation(&status, "attachment", "TOO_LARGE");
        let mut larger = request;
        larger.keyboard_form = Some(keyboard_of(maximum + 1));
        let status = world.send(larger).await.unwrap_err();
        assert_only_violation(&status, "keyboard", "TOO_LARGE");
        assert_eq!(world.sandbox.record().times_delivered("text"), 1);
    }
}
