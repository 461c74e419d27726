//! What the demo prints.

use std::io::{self, Stdout, Write};
use std::net::SocketAddr;

use prost::{Message, Name};
use tonic::Status;

use super::settings::WEBHOOK;
use crate::api::json;
use crate::api::openlines::v1::open_lines_service_server::SERVICE_NAME;
use crate::auth::NewKey;
use crate::cli::Failure;
use crate::error;
use sandbox::{Record, demo};

/// Standard output, with the demo's layout.
pub(super) struct Display {
    output: Stdout,
}

impl Display {
    pub(super) fn new(output: Stdout) -> Self {
        Self { output }
    }

    pub(super) fn introduce(&mut self, portal: SocketAddr, service: SocketAddr) -> io::Result<()> {
        write!(
            self.output,
            "A simulated Bitrix24 portal listens on http://{portal}, the service on {service} (gRPC).\n\
             Every call goes through a real gRPC socket and over real HTTP.\n\
             Look at the portal in a browser, while the demo runs: http://{portal}/sandbox/\n"
        )
    }

    pub(super) fn scene<M: Message + Name>(
        &mut self,
        number: u8,
        title: &str,
        request: &M,
    ) -> Result<(), Failure> {
        let name = M::NAME.trim_end_matches("Request");
        let request = json::of_message(request)?;
        write!(
            self.output,
            "\n== {number}. {title}\n\n-> {name} {request}\n"
        )?;
        Ok(())
    }

    pub(super) fn response<M: Message + Name>(&mut self, response: &M) -> Result<(), Failure> {
        writeln!(self.output, "<- OK {}", json::of_message(response)?)?;
        Ok(())
    }

    pub(super) fn status(&mut self, status: &Status) -> Result<(), Failure> {
        let code = error::code_name(status.code());
        writeln!(self.output, "<- {code} {}", json::of_status(status)?)?;
        Ok(())
    }

    pub(super) fn sum_up(&mut self, record: &Record) -> io::Result<()> {
        let requests = record.entries.len();
        let delivered = record.deliveries().count();
        writeln!(
            self.output,
            "\nThe portal's own record: {requests} requests, {delivered} messages delivered, each once."
        )
    }

    pub(super) fn invite(&mut self, service: SocketAddr, key: &NewKey) -> io::Result<()> {
        let authorization = format!("-H 'authorization: Bearer {}'", key.expose());
        write!(
            self.output,
            "\nTry it yourself, in another terminal:\n\
             \n\
             grpcurl -plaintext {service} list\n\
             grpcurl -plaintext {service} describe {SERVICE_NAME}\n\
             grpcurl -plaintext {service} grpc.health.v1.Health/Check\n\
             grpcurl -plaintext {authorization} \\\n\
             \x20 -d '{{\"tenant_id\":\"{WEBHOOK}\",\"crm_entity_type\":\"CRM_ENTITY_TYPE_LEAD\",\"crm_entity_id\":{lead},\"user_id\":{member},\"portal_chat_id\":{chat},\"text\":\"Hello\"}}' \\\n\
             \x20 {service} {SERVICE_NAME}/SendCrmMessage\n\
             \n\
             Ctrl-C ends the demo, and with it the key.\n",
            lead = demo::LEAD,
            member = demo::MEMBER,
            chat = demo::CHAT,
        )?;
        self.output.flush()
    }
}
