//! The applications of the portals: their tokens, and the events that they are told.

use std::io;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use super::event::{self, Event, EventKind};
use super::oauth::GrantedPair;
use super::origin::Origin;
use super::portal::{Application, TokenState};
use super::server::Sandbox;
use super::world::World;

impl Sandbox {
    /// Lets an access token expire on every portal that knows it. Whether one did.
    pub fn expire_token(&self, token: &str) -> bool {
        self.world.set_token_state(token, TokenState::Expired)
    }

    /// Makes a code for a user, as the authorization page does. `None` if there is no such application.
    pub fn authorize(&self, host: &str, client_id: &str, user_id: i64) -> Option<SecretString> {
        let place = self.world.portal(host)?;
        let (mut state, now) = (place.state(), self.world.now(place));
        let mut applications = state.portal.applications.iter();
        applications.find(|known| known.client_id == client_id)?;
        Some(state.grants.new_code(client_id, user_id, now))
    }

    /// Forgets the pair of tokens that has this access or refresh token. Whether there was one.
    pub fn revoke(&self, token: &str) -> bool {
        self.world.revoke(None, Some(token)) > 0
    }

    /// The pairs of tokens that an application was granted on a portal, in the order in which they were granted.
    pub fn pairs(&self, host: &str, client_id: &str) -> Vec<GrantedPair> {
        let Some(place) = self.world.portal(host) else {
            return Vec::new();
        };
        let state = place.state();
        state.grants.of_application(client_id).collect()
    }

    /// The newest pair of an application on a portal that no refresh has replaced: the one that works.
    pub fn current_pair(&self, host: &str, client_id: &str) -> Option<GrantedPair> {
        let state = self.world.portal(host)?.state();
        let mut pairs = state.grants.of_application(client_id).rev();
        pairs.find(|pair| pair.is_current)
    }

    /// Lets the access token of the newest pair expire. Whether there is such a pair.
    pub fn expire_current_token(&self, host: &str, client_id: &str) -> bool {
        let pair = self.current_pair(host, client_id);
        pair.is_some_and(|pair| self.expire_token(pair.access_token.expose_secret()))
    }

    /// An administrator of the portal clicks Install: the application gets tokens, and its handler the event, once.
    /// Gives the handler's status. Repeated, it is a reinstallation.
    ///
    /// An application that only another portal knows is a market application: it is added to this one.
    ///
    /// # Errors
    ///
    /// As [`Sandbox::send_event`].
    pub async fn install(&self, host: &str, client_id: &str, handler: &str) -> io::Result<u16> {
        let event = Event::new(EventKind::AppInstall, handler).of(client_id);
        self.send_event(host, &event).await
    }

    /// An administrator of the portal removes the application, with its settings: its tokens end, and its handler gets
    /// the event, once. Gives the handler's status.
    ///
    /// # Errors
    ///
    /// As [`Sandbox::send_event`].
    pub async fn uninstall(&self, host: &str, client_id: &str, handler: &str) -> io::Result<u16> {
        let event = Event::new(EventKind::AppUninstall, handler).of(client_id);
        self.send_event(host, &event).await
    }

    /// Lets an event happen and sends it to its handler, once. Gives the handler's status.
    ///
    /// # Errors
    ///
    /// When there is no such portal or application, when the handler is not plain HTTP on loopback, and
    /// when no answer came.
    pub async fn send_event(&self, host: &str, event: &Event) -> io::Result<u16> {
        let handler = event::handler(&event.handler).ok_or(io::ErrorKind::InvalidInput)?;
        let form = self
            .event_form(host, event)
            .ok_or(io::ErrorKind::NotFound)?;
        event::send(&handler, form).await
    }

    /// Lets an event happen and gives the form that its handler would get, without sending it. `None` when there is no
    /// such portal or application.
    pub fn event_form(&self, host: &str, event: &Event) -> Option<String> {
        let place = self.world.portal(host)?;
        let origin = Origin {
            scheme: if self.identity.is_some() {
                "https"
            } else {
                "http"
            },
            host: self.address.to_string(),
        };
        event::form(&self.world, place, event, &origin)
    }

    /// The time by the clock of one portal.
    pub fn now_at(&self, host: &str) -> Option<Timestamp> {
        Some(self.world.now(self.world.portal(host)?))
    }
}

impl World {
    /// Sets the state of a token on every portal that knows it. Whether one did.
    pub(super) fn set_token_state(&self, token: &str, state: TokenState) -> bool {
        let mut known = false;
        for place in self.portals() {
            let now = self.now(place);
            let mut place = place.state();
            known |= place.grants.set_state(token, state, now);
            for held in &mut place.portal.tokens {
                if held.token.expose_secret() == token {
                    held.state = state;
                    known = true;
                }
            }
        }
        known
    }

    /// Forgets the pairs of tokens of an application, or with this token. Gives their number.
    pub(super) fn revoke(&self, client_id: Option<&str>, token: Option<&str>) -> usize {
        let places = self.portals().iter();
        places
            .map(|place| {
                let mut state = place.state();
                state.grants.revoke(|client, access, refresh| {
                    client_id.is_none_or(|wanted| wanted == client)
                        && token.is_none_or(|wanted| wanted == access || wanted == refresh)
                })
            })
            .sum()
    }

    /// The application with this id on any portal, as it is before it is installed on another.
    pub(super) fn market_application(&self, client_id: &str) -> Option<Application> {
        let known = self.portals().iter().find_map(|place| {
            let state = place.state();
            let mut applications = state.portal.applications.iter();
            applications
                .find(|known| known.client_id == client_id)
                .cloned()
        })?;
        Some(Application {
            application_token: event::new_application_token(),
            installed: false,
            grants: Vec::new(),
            ..known
        })
    }
}
