//! A call of the tenant service: who made it, and how it is answered.

use tonic::{Request, Response, Status};

use super::manager::Manager;
use crate::auth::Caller;
use crate::call::CallContext;
use crate::error::{self, Error};

/// A call whose request has been taken out.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) context: CallContext,
    /// `None` if the layer around the calls is missing.
    caller: Option<Caller>,
}

impl Incoming {
    /// Takes the call apart.
    pub(super) fn open<M>(request: Request<M>) -> (Self, M) {
        let (_, mut extensions, message) = request.into_parts();
        let context = extensions.remove::<CallContext>().unwrap_or_default();
        let caller = extensions.remove::<Caller>();
        (Self { context, caller }, message)
    }

    /// The caller, if it may manage tenants. The first question of every operation.
    pub(super) fn manager(&self) -> Result<Manager, Error> {
        let caller = self.caller.clone().ok_or(error::NOT_SENT)?;
        Ok(Manager::prove(caller)?)
    }

    /// Answers the call.
    pub(super) fn answer<M>(&self, done: Result<M, Error>) -> Result<Response<M>, Status> {
        done.map(Response::new).map_err(|error| {
            let identity = self.context.identity();
            let failure = error.into_failure(&identity);
            failure.note(&self.context);
            failure.into_status(&identity)
        })
    }
}
