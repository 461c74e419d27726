//! What a played network brings, as the HTTP library would.

use super::failure::Failed;
use super::response::HttpResponse;
use crate::call_error::{NotSent, Obstacle, Unanswered};
use crate::echo::Sent;
use crate::simulation::{Lost, Received};

pub(super) fn response(received: Received, sent: Sent<'_>) -> HttpResponse<'_> {
    HttpResponse::new(received.http_status, None, received.body, sent)
}

impl From<Lost> for Failed {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Unreachable => NotSent::Unreachable(Obstacle::Refused).into(),
            Lost::Cancelled => NotSent::DeadlinePassed.into(),
            Lost::Unprocessed => NotSent::Unprocessed.into(),
            Lost::Broken => Unanswered::ConnectionLost.into(),
        }
    }
}
