//! A call of the tenant service: who made it, and how it is answered.

use tonic::{Request, Response, Status};

use super::manager::Manager;
use crate::auth::{Caller, Callers, Rejected};
use crate::call::CallContext;
use crate::error::Error;

/// A call whose request has been taken out.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) context: CallContext,
    caller: Result<Caller, Rejected>,
}

impl Incoming {
    /// Finds out who calls.
    pub(super) fn open<M>(request: Request<M>, callers: &Callers) -> (Self, M) {
        let (metadata, extensions, message) = request.into_parts();
        let context = extensions.get::<CallContext>().cloned().unwrap_or_default();
        let authorization = metadata.get_all("authorization").iter();
        let caller = callers.authenticate(authorization.map(|value| value.as_encoded_bytes()));
        if let Ok(caller) = &caller {
            context.note_caller(caller.name());
        }
        (Self { context, caller }, message)
    }

    /// The caller, if it may manage tenants. The first question of every operation.
    pub(super) fn manager(&self) -> Result<Manager, Error> {
        let caller = self.caller.clone()?;
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
