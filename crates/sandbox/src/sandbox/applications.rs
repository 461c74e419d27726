//! The applications of the portals: their tokens and their events.

use std::io;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use super::Sandbox;
use crate::event::{self, Event, EventKind};
use crate::portal::TokenState;
use crate::request::Origin;
use crate::state::GrantedPair;

impl Sandbox {
    /// Lets an access token expire on every portal that knows it. Returns whether one did.
    pub fn expire_token(&self, token: &str) -> bool {
        self.simulator.set_token_state(token, TokenState::Expired)
    }

    /// Creates a code for a user, as the authorization page does. `None` if the application is
    /// unknown.
    pub fn authorize(&self, host: &str, client_id: &str, user_id: i64) -> Option<SecretString> {
        let portal = self.simulator.portal(host)?;
        let (mut state, now) = (portal.state(), self.simulator.now(portal));
        state.definition.application(client_id)?;
        Some(state.grants.new_code(client_id, user_id, now))
    }

    /// Forgets the pair of tokens with this access or refresh token. Returns whether there was one.
    pub fn revoke(&self, token: &str) -> bool {
        self.simulator.revoke(None, Some(token)) > 0
    }

    /// The pairs of tokens that a portal granted to an application, in order.
    pub fn pairs(&self, host: &str, client_id: &str) -> Vec<GrantedPair> {
        self.simulator.portal(host).map_or_else(Vec::new, |portal| {
            portal.state().grants.of_application(client_id).collect()
        })
    }

    /// The newest pair of an application that no refresh has replaced.
    pub fn current_pair(&self, host: &str, client_id: &str) -> Option<GrantedPair> {
        let state = self.simulator.portal(host)?.state();
        let mut pairs = state.grants.of_application(client_id).rev();
        pairs.find(|pair| pair.is_current)
    }

    /// Lets the access token of the current pair expire. Returns whether there is one.
    pub fn expire_current_token(&self, host: &str, client_id: &str) -> bool {
        let pair = self.current_pair(host, client_id);
        pair.is_some_and(|pair| self.expire_token(pair.access_token.expose_secret()))
    }

    /// Installs or reinstalls an application: grants it tokens and sends its handler the event
    /// once. Returns the handler's status.
    ///
    /// An application that only another portal knows is a market application: it is added to this
    /// one.
    ///
    /// # Errors
    ///
    /// As [`Sandbox::send_event`].
    pub async fn install(&self, host: &str, client_id: &str, handler: &str) -> io::Result<u16> {
        let event = Event::new(EventKind::AppInstall, handler).of(client_id);
        self.send_event(host, &event).await
    }

    /// Removes an application with its settings: ends its tokens and sends its handler the event
    /// once. Returns the handler's status.
    ///
    /// # Errors
    ///
    /// As [`Sandbox::send_event`].
    pub async fn uninstall(&self, host: &str, client_id: &str, handler: &str) -> io::Result<u16> {
        let event = Event::new(EventKind::AppUninstall, handler).of(client_id);
        self.send_event(host, &event).await
    }

    /// Executes an event and sends it to its handler once. Returns the handler's status.
    ///
    /// # Errors
    ///
    /// When the portal or application is unknown, when the handler is not plain HTTP on loopback,
    /// and when the handler does not respond.
    pub async fn send_event(&self, host: &str, event: &Event) -> io::Result<u16> {
        let handler = event::handler(&event.handler).ok_or(io::ErrorKind::InvalidInput)?;
        let form = self
            .event_form(host, event)
            .ok_or(io::ErrorKind::NotFound)?;
        event::post(&handler, form).await
    }

    /// Executes an event and returns the form for its handler, without sending it. `None` if the
    /// portal or application is unknown.
    pub fn event_form(&self, host: &str, event: &Event) -> Option<String> {
        let portal = self.simulator.portal(host)?;
        let secure = self.identity.is_some();
        let origin = Origin {
            scheme: if secure { "https" } else { "http" },
            host: self.address.to_string(),
        };
        event::form(&self.simulator, portal, event, &origin)
    }

    /// The time by the clock of one portal.
    pub fn now_at(&self, host: &str) -> Option<Timestamp> {
        Some(self.simulator.now(self.simulator.portal(host)?))
    }
}
