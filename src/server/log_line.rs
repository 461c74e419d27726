//! The one line that the log has of each call.

use tokio::time::Instant;

use super::context::CallContext;

/// The log line of a running call. A call that is dropped before it is answered, because its caller has gone, is logged as
/// CANCELLED.
pub(super) struct LogLine {
    operation: String,
    context: CallContext,
    begun: Instant,
    written: bool,
}

impl LogLine {
    pub(super) fn new(path: &str, context: &CallContext, begun: Instant) -> Self {
        // Anybody may call any path: what is logged of it has a length.
        let operation = path.trim_start_matches('/').chars().take(100).collect();
        Self {
            operation,
            context: context.clone(),
            begun,
            written: false,
        }
    }

    pub(super) fn write(mut self, code: &'static str) {
        self.emit(code);
    }

    fn emit(&mut self, code: &'static str) {
        self.written = true;
        let notes = self.context.notes();
        let outcome = match notes.outcome {
            None if code == "CANCELLED" => Some(if notes.sending {
                "unknown"
            } else {
                "not_executed"
            }),
            noted => noted,
        };
        let duration_ms = self.begun.elapsed().as_secs_f64() * 1000.0;
        tracing::info!(
            target: "openlines::call",
            request_id = self.context.request_id(),
            operation = self.operation,
            code,
            reason = notes.reason,
            outcome,
            caller = notes.caller,
            tenant = notes.tenant,
            bitrix24_code = notes.bitrix24_code,
            duration_ms,
            "call"
        );
    }
}

impl Drop for LogLine {
    fn drop(&mut self) {
        if !self.written {
            self.emit("CANCELLED");
        }
    }
}
