//! The connections to one portal or authorization server.

mod keep;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use self::keep::{driven, keep};
use super::connector::{Connector, Opened};
use super::http1::Http1;
use super::http2::{Http2, InUse};
use super::target::Target;
use crate::call_error::{NotSent, Obstacle};

/// A portal or an authorization server, and the connections to it.
///
/// Over TLS the server chooses the protocol. Until it is known, and where it is HTTP/2, one
/// connection is opened at a time, and all requests wait for it: they can share it.
pub(super) struct Portal {
    pub(super) target: Target,
    connector: Arc<Connector>,
    idle: Duration,
    state: Mutex<State>,
}

struct State {
    /// What the last connection over TLS was.
    is_http1: bool,
    /// The connection that takes requests.
    http2: Option<Arc<Http2>>,
    /// Without TLS, the one that was used last at the end.
    kept: Vec<(Box<Http1>, Instant)>,
    /// Whether a task ends those that are kept for too long.
    has_sweeper: bool,
    /// Who waits for the connection that is being opened.
    waiting: Vec<oneshot::Sender<Result<Told, NotSent>>>,
    used: Instant,
}

/// A connection for one request.
pub(super) enum Acquired {
    Http1(Box<Http1>),
    Http2(InUse),
}

/// What those that wait for a connection are told.
enum Told {
    /// And whether it was opened for this request first of all.
    Connection(Acquired, bool),
    /// The server speaks HTTP/1.1: each request needs a connection of its own.
    OpenYourOwn,
}

impl Portal {
    pub(super) fn new(target: Target, connector: Arc<Connector>, idle: Duration) -> Self {
        Self {
            target,
            connector,
            idle,
            state: Mutex::new(State {
                is_http1: false,
                http2: None,
                kept: Vec::new(),
                has_sweeper: false,
                waiting: Vec::new(),
                used: Instant::now(),
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_proxied(&self) -> bool {
        self.connector.is_proxied(&self.target)
    }

    /// Whether a connection whose request has its response should end.
    pub(super) fn is_crowded(&self) -> bool {
        self.connector.is_crowded()
    }

    /// Whether it has a connection, or had one lately.
    pub(super) fn is_of_use(&self, now: Instant, remembered: Duration) -> bool {
        let state = self.state();
        state.http2.is_some() || !state.kept.is_empty() || now < state.used + remembered
    }

    /// A connection, and whether it was opened for this request, or for others that wait and this
    /// one first.
    ///
    /// # Errors
    ///
    /// As [`Connector::open`].
    pub(super) async fn acquire(self: &Arc<Self>) -> Result<(Acquired, bool), NotSent> {
        if !self.target.is_tls() {
            while let Some(mut http1) = self.take_kept() {
                if http1.is_ready().await {
                    return Ok((Acquired::Http1(http1), false));
                }
            }
            return Ok((self.open().await?, true));
        }
        let told = {
            let mut state = self.state();
            if let Some(http2) = &state.http2 {
                return Ok((Acquired::Http2(InUse(Arc::clone(http2))), false));
            }
            if state.is_http1 {
                None
            } else {
                let (tell, told) = oneshot::channel();
                state.waiting.push(tell);
                if state.waiting.len() == 1 {
                    tokio::spawn(open_for_all(Opening {
                        portal: Arc::clone(self),
                        is_over: false,
                    }));
                }
                Some(told)
            }
        };
        let Some(told) = told else {
            return Ok((self.open().await?, true));
        };
        // Its task ends without an answer only with its runtime.
        let abandoned = Err(NotSent::Unreachable(Obstacle::Network));
        match told.await.unwrap_or(abandoned)? {
            Told::Connection(connection, is_first) => Ok((connection, is_first)),
            Told::OpenYourOwn => Ok((self.open().await?, true)),
        }
    }

    fn take_kept(&self) -> Option<Box<Http1>> {
        self.state().kept.pop().map(|(http1, _)| http1)
    }

    async fn open(self: &Arc<Self>) -> Result<Acquired, NotSent> {
        let opened = Box::pin(self.connector.open(&self.target)).await?;
        Ok(self.connected(&mut self.state(), opened))
    }

    /// Notes the connection, and makes others use it that can.
    fn connected(self: &Arc<Self>, state: &mut State, opened: Opened) -> Acquired {
        state.used = Instant::now();
        match opened {
            Opened::Http1(http1) => {
                state.is_http1 = true;
                Acquired::Http1(http1)
            }
            Opened::Http2(sender, connection, tallied) => {
                let http2 = Arc::new(Http2::new(sender, tallied));
                state.is_http1 = false;
                state.http2 = Some(Arc::clone(&http2));
                let (portal, kept) = (Arc::downgrade(self), Arc::downgrade(&http2));
                let connection = driven(connection, Weak::clone(&kept));
                tokio::spawn(keep(connection, kept, portal, self.idle));
                Acquired::Http2(InUse(http2))
            }
        }
    }

    /// Takes a connection without TLS back whose request has its response.
    pub(super) fn give_back(self: &Arc<Self>, http1: Box<Http1>) {
        let mut state = self.state();
        let now = Instant::now();
        state.kept.push((http1, now));
        state.used = now;
        if !state.has_sweeper {
            state.has_sweeper = true;
            tokio::spawn(sweep(Arc::downgrade(self), self.idle));
        }
    }

    /// No request uses this connection from now on.
    pub(super) fn forget(&self, http2: &Arc<Http2>) {
        let mut state = self.state();
        let is_current = |current: &Arc<Http2>| Arc::ptr_eq(current, http2);
        if state.http2.as_ref().is_some_and(is_current) {
            state.http2 = None;
        }
        drop(state);
        // Who waits for a place finds the end, or another connection.
        http2.look_again();
    }

    #[cfg(test)]
    pub(super) fn remember(&self, http2: &Arc<Http2>) {
        self.state().http2 = Some(Arc::clone(http2));
    }

    /// Whether this is the connection that takes requests.
    pub(super) fn has(&self, http2: &Arc<Http2>) -> bool {
        let state = self.state();
        let current = state.http2.as_ref();
        current.is_some_and(|current| Arc::ptr_eq(current, http2))
    }

    /// Forgets a connection that nobody but who asks has, and nobody has used for so long.
    pub(super) fn forget_if_idle(&self, http2: &Arc<Http2>, idle: Duration) {
        let mut state = self.state();
        // One is the state's, and one is that of who asks.
        let is_unused = Arc::strong_count(http2) <= 2 && http2.used() + idle <= Instant::now();
        let is_current = |current: &Arc<Http2>| Arc::ptr_eq(current, http2);
        if is_unused && state.http2.as_ref().is_some_and(is_current) {
            state.http2 = None;
        }
    }
}

/// A connection that is being opened. Nobody waits for it any more when this is gone.
struct Opening {
    portal: Arc<Portal>,
    /// Those that wait now, wait for the next one.
    is_over: bool,
}

impl Drop for Opening {
    fn drop(&mut self) {
        if !self.is_over {
            self.portal.state().waiting.clear();
        }
    }
}

async fn open_for_all(mut opening: Opening) {
    let portal = Arc::clone(&opening.portal);
    let opened = portal.connector.open(&portal.target).await;
    let mut state = portal.state();
    let waiting = std::mem::take(&mut state.waiting);
    opening.is_over = true;
    let connection = match opened {
        Ok(opened) => portal.connected(&mut state, opened),
        Err(error) => {
            drop(state);
            for tell in waiting {
                let _ = tell.send(Err(error));
            }
            return;
        }
    };
    drop(state);
    match connection {
        Acquired::Http2(first) => {
            for (number, tell) in waiting.into_iter().enumerate() {
                let connection = Acquired::Http2(InUse(Arc::clone(&first.0)));
                let _ = tell.send(Ok(Told::Connection(connection, number == 0)));
            }
        }
        Acquired::Http1(http1) => {
            let mut next = Some(http1);
            for tell in waiting {
                let told = match next.take() {
                    Some(http1) => Told::Connection(Acquired::Http1(http1), true),
                    None => Told::OpenYourOwn,
                };
                // Who has gone leaves the connection to the next.
                if let Err(Ok(Told::Connection(Acquired::Http1(http1), _))) = tell.send(Ok(told)) {
                    next = Some(http1);
                }
            }
        }
    }
}

/// Ends connections that were kept for too long, until none are left.
async fn sweep(portal: Weak<Portal>, idle: Duration) {
    loop {
        let next = {
            let Some(portal) = portal.upgrade() else {
                return;
            };
            let mut state = portal.state();
            let now = Instant::now();
            state.kept.retain(|(_, since)| now < *since + idle);
            match state.kept.first() {
                Some((_, since)) => *since + idle,
                None => {
                    state.has_sweeper = false;
                    return;
                }
            }
        };
        tokio::time::sleep_until(next).await;
    }
}
