//! `openlines demo`: shows the service on one machine, without a Bitrix24 account.
//!
//! Starts a sandbox portal and the service on free loopback ports and calls them with a real gRPC
//! client.

mod display;
mod scenes;
mod settings;

use std::io;

use clap::Args;
use tokio::net::TcpListener;

use self::display::Display;
use super::Failure;
use super::sandbox::RECORD_ROWS;
use crate::app;
use crate::auth::NewKey;
use crate::stop::Stop;
use crate::tasks::Tasks;
use crate::telemetry::Telemetry;
use sandbox::{MessageRule, Portal, Sandbox};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// End after the last call instead of serving until Ctrl-C.
    #[arg(long)]
    exit: bool,
}

pub(super) async fn run(arguments: Arguments, stop: Stop) -> Result<(), Failure> {
    let sandbox = Sandbox::start(
        TcpListener::bind("127.0.0.1:0").await?,
        vec![Portal::demo()],
    )?;
    sandbox.keep_record(RECORD_ROWS);
    sandbox.refuse_messages(MessageRule {
        message_id: Some(scenes::REFUSED_MESSAGE.to_owned()),
        text: None,
        error: "Not all the required data was provided".to_owned(),
    });

    let key = NewKey::generate()?;
    let files = settings::Files::write(sandbox.address(), &key)?;
    let config = files.load()?;
    let telemetry = Telemetry::start(&config.log, &config.telemetry, &config.otel)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let service = app::run(config, listener, Tasks::default(), stop.clone());

    let calls = async {
        let mut display = Display::new(io::stdout());
        display.introduce(sandbox.address(), address)?;
        scenes::play(address, &key, &mut display).await?;
        display.sum_up(&sandbox.record())?;
        if !arguments.exit {
            display.invite(address, &key)?;
            stop.requested().await;
        }
        Ok::<(), Failure>(())
    };
    let calls = async {
        let played = tokio::select! {
            played = calls => played,
            () = stop.requested() => Ok(()),
        };
        drop(stop.on_drop());
        played
    };
    let (served, played) = tokio::join!(service, calls);
    sandbox.shutdown().await;
    telemetry.stop();
    played?;
    served?;
    Ok(())
}
