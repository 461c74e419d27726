//! Calls of REST methods, single and in a batch.

mod batch;
mod call;
mod caller;
mod context;
mod envelope;
mod execution;
mod methods;

pub(crate) use context::Context;
pub(crate) use execution::Execution;

use crate::request::BATCH;
use crate::response::JsonResponse;

pub(crate) async fn respond(mut execution: Execution<'_>) -> JsonResponse {
    let latency = execution.portal.state().definition.limits.request_latency();
    execution::pass(latency).await;
    let response = if execution.request.method == BATCH {
        batch::run(&mut execution).await
    } else {
        execution.call().await
    };
    response.unwrap_or_else(|refusal| {
        JsonResponse::refusal(refusal.wire_error(&execution.context.switches))
    })
}
