//! A running demonstration portal and an HTTP client to call it with.

use std::time::Duration;

use sandbox::{Entry, Portal, Sandbox, demo};
use serde_json::{Value, json};

pub(crate) const CONNECTOR: &str = "imconnector.send.messages";
pub(crate) const CRM: &str = "imopenlines.crm.message.add";
pub(crate) const NETWORK: &str = "imopenlines.network.message.add";

pub(crate) struct Desk {
    pub(crate) sandbox: Sandbox,
    pub(crate) client: reqwest::Client,
}

/// A response that arrived in full.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) location: Option<String>,
    pub(crate) body: String,
}

impl Response {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// Status, `error` and `error_description`.
    pub(crate) fn error(&self) -> (u16, String, String) {
        let json = self.json();
        assert!(
            json.get("result").is_none() && json.get("time").is_none(),
            "{json}"
        );
        let text = |name: &str| {
            json[name]
                .as_str()
                .unwrap_or_else(|| panic!("{json}"))
                .to_owned()
        };
        (self.status, text("error"), text("error_description"))
    }

    /// The code in `error`.
    pub(crate) fn error_code(&self) -> String {
        let json = self.json();
        let code = json["error"].as_str();
        code.unwrap_or_else(|| panic!("{json}")).to_owned()
    }

    pub(crate) fn result(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        assert!(
            self.content_type.starts_with("application/json"),
            "{}",
            self.content_type
        );
        self.json()
            .get("result")
            .cloned()
            .unwrap_or_else(|| panic!("{}", self.body))
    }
}

impl Desk {
    pub(crate) async fn open() -> Self {
        Self::with(vec![Portal::demo()]).await
    }

    pub(crate) async fn with(portals: Vec<Portal>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sandbox = Sandbox::start(listener, portals).unwrap();
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(30))
            .no_proxy()
            .build()
            .unwrap();
        Self { sandbox, client }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.sandbox.address())
    }

    pub(crate) async fn send(request: reqwest::RequestBuilder) -> Result<Response, reqwest::Error> {
        let response = request.send().await?;
        let header = |name: &str| Some(response.headers().get(name)?.to_str().unwrap().to_owned());
        let (content_type, location) = (
            header("content-type").unwrap_or_default(),
            header("location"),
        );
        let status = response.status().as_u16();
        Ok(Response {
            status,
            content_type,
            location,
            body: response.text().await?,
        })
    }

    pub(crate) fn post_json(&self, path: &str, body: &Value) -> reqwest::RequestBuilder {
        self.client
            .post(self.url(path))
            .header("content-type", "application/json")
            .body(body.to_string())
    }

    pub(crate) fn post_form(&self, path: &str, body: &str) -> reqwest::RequestBuilder {
        self.client
            .post(self.url(path))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.to_owned())
    }

    /// Calls as the demonstration application.
    pub(crate) async fn as_application(&self, method: &str, mut parameters: Value) -> Response {
        parameters["auth"] = json!(demo::ACCESS_TOKEN);
        Self::send(self.post_json(&format!("/rest/{method}"), &parameters))
            .await
            .unwrap()
    }

    /// Calls as the demonstration webhook; the response may be lost.
    pub(crate) async fn try_webhook(
        &self,
        method: &str,
        parameters: &Value,
    ) -> Result<Response, reqwest::Error> {
        Self::send(self.post_json(&webhook(method), parameters)).await
    }

    /// Calls as the demonstration webhook.
    pub(crate) async fn as_webhook(&self, method: &str, parameters: Value) -> Response {
        self.try_webhook(method, &parameters).await.unwrap()
    }

    pub(crate) fn last_entry(&self) -> Entry {
        self.sandbox
            .record()
            .entries
            .last()
            .cloned()
            .expect("a request was recorded")
    }

    /// The last request was not executed and got this error.
    #[track_caller]
    pub(crate) fn refused_with(
        &self,
        response: &Response,
        status: u16,
        code: &str,
        description: &str,
    ) {
        assert_eq!(
            response.error(),
            (status, code.to_owned(), description.to_owned())
        );
        let entry = self.last_entry();
        assert!(!entry.executed && entry.deliveries.is_empty(), "{entry:?}");
        assert_eq!(
            (entry.status, entry.error.as_deref()),
            (Some(status), Some(code))
        );
    }
}

pub(crate) fn webhook(method: &str) -> String {
    format!("/rest/{}/{}/{method}", demo::OWNER, demo::WEBHOOK_SECRET)
}

/// A call of the CRM method that the demonstration portal accepts.
pub(crate) fn crm_call() -> Value {
    json!({
        "CRM_ENTITY_TYPE": "lead",
        "CRM_ENTITY": demo::LEAD,
        "USER_ID": demo::MEMBER,
        "CHAT_ID": demo::CHAT,
        "MESSAGE": "Message text",
    })
}

/// A call of the network method that the demonstration portal accepts.
pub(crate) fn network_call() -> Value {
    json!({"CODE": demo::NETWORK_CODE, "USER_ID": demo::OUTSIDER, "MESSAGE": "message text"})
}

/// One message of the connector.
pub(crate) fn message(user: &str, id: &str, text: &str) -> Value {
    json!({
        "user": {"id": user},
        "message": {"id": id, "date": 1_773_265_993, "text": text},
        "chat": {"id": "channel-123"},
    })
}

/// A call of the connector method that the demonstration portal accepts.
pub(crate) fn connector_call(messages: &[Value]) -> Value {
    json!({"CONNECTOR": demo::CONNECTOR, "LINE": demo::LINE, "MESSAGES": messages})
}

/// The call with one parameter replaced, or removed for `null`.
pub(crate) fn with(mut call: Value, name: &str, value: Value) -> Value {
    let fields = call.as_object_mut().unwrap();
    if value.is_null() {
        fields.remove(name);
    } else {
        fields.insert(name.to_owned(), value);
    }
    call
}
