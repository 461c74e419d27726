//! `/sandbox/limits`: what portals allow and how long they take.

use http::Method;
use serde_json::{Map, Value, json};

use super::{Problem, changed, document};
use crate::fields::{BadField, Fields};
use crate::limits::Limits;
use crate::world::{Arrived, World};

/// Changes the limits of one portal or of all, and empties their buckets and baskets.
pub(super) fn answer(world: &World, arrived: &Arrived) -> Result<Value, Problem> {
    let mut fields = match arrived.method {
        Method::GET => Fields::none(),
        Method::POST | Method::DELETE if arrived.body.is_empty() => Fields::none(),
        Method::POST | Method::DELETE => Fields::read(&arrived.body)?,
        _ => return Err(Problem::MethodNotAllowed),
    };
    let host: Option<String> = fields.take("portal")?;
    let places: Vec<_> = match &host {
        None => world.portals().iter().collect(),
        Some(host) => {
            let place = world.portal(host);
            vec![place.ok_or_else(|| BadField::new("portal", "is unknown here"))?]
        }
    };
    let fields = fields.into_map();
    let mut all = Map::new();
    for place in places {
        let mut state = place.state();
        let limits = match arrived.method {
            Method::GET => None,
            Method::DELETE => Some(Limits::default()),
            _ => Some(changed(&state.portal.limits, Fields::from(fields.clone()))?),
        };
        if let Some(limits) = limits {
            state.portal.limits = limits;
            state.buckets.clear();
            state.baskets.clear();
        }
        all.insert(place.host.clone(), document(&state.portal.limits));
    }
    Ok(json!({"limits": all}))
}
