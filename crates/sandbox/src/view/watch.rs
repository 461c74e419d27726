//! What a viewer is told while it watches.
//!
//! There is no queue: a viewer is asked for when the connection has room, and then gets what is new
//! as of that moment. One that reads slowly loses requests and is told how many; it costs no
//! memory.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::{chats, portal, requests};
use crate::record::Seen;
use crate::simulator::{RunningPortal, Simulator};

/// How often a viewer is told what is new.
const EVERY: Duration = Duration::from_millis(200);

/// After so many ticks without news the connection is tried, so that a viewer that left is noticed.
const SILENT_TICKS: u32 = 75;

/// One page that watches one portal.
pub(crate) struct Viewer {
    simulator: Arc<Simulator>,
    portal: Arc<RunningPortal>,
    seen: Option<Seen>,
    /// The last told state of the portal.
    told: Value,
    ticks: Interval,
    silent: u32,
    _permit: OwnedSemaphorePermit,
}

impl Viewer {
    /// `None` if there are too many.
    pub(crate) fn new(simulator: &Arc<Simulator>, portal: &Arc<RunningPortal>) -> Option<Self> {
        let permit = Arc::clone(&simulator.viewers).try_acquire_owned().ok()?;
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Some(Self {
            simulator: Arc::clone(simulator),
            portal: Arc::clone(portal),
            seen: None,
            told: Value::Null,
            ticks,
            silent: 0,
            _permit: permit,
        })
    }

    /// Waits for news. The first come at once: all that is kept.
    pub(crate) async fn next(&mut self) -> String {
        loop {
            self.ticks.tick().await;
            if let Some(news) = self.news() {
                self.silent = 0;
                return format!("data: {news}\n\n");
            }
            self.silent += 1;
            if self.silent == SILENT_TICKS {
                self.silent = 0;
                return ":\n\n".to_owned();
            }
        }
    }

    fn news(&mut self) -> Option<Value> {
        let simulator = &*self.simulator;
        let is_first = self.seen.is_none();
        let seen = self.seen.unwrap_or_default();
        let news = simulator
            .recorder
            .news(&self.portal.host, seen, requests::MOST);
        self.seen = Some(news.seen);
        let state = portal(simulator, &self.portal);
        let is_changed = state != self.told;
        if !is_first && !is_changed && !news.cleared && news.entries.is_empty() {
            return None;
        }
        let requests = requests::show(&news.entries, &simulator.exchanges);
        let messages = chats::show(&news.entries);
        let mut event = json!({
            "now": simulator.now(&self.portal).to_string(),
            // The page forgets what it shows.
            "anew": is_first || news.cleared,
            "requests": requests.requests,
            "requests_left_out": news.left_out + requests.left_out,
            "messages": messages.messages,
            "messages_left_out": messages.left_out,
        });
        if let Some(event) = event.as_object_mut().filter(|_| is_changed) {
            event.insert("portal".to_owned(), state.clone());
            self.told = state;
        }
        Some(event)
    }
}
