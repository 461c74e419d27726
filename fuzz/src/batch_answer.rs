//! A portal's response to a batch.

use bitrix24::fuzzing::{self, Response};
use bitrix24_openlines::testing::openlines::respond;

use secrecy::SecretString;

use super::{check_size, status_and_body};

/// What the request sent.
const SECRET: &str = "s3cr3tcanary";

/// Whatever a portal answers, each command has one outcome, a caller has a response or a status, and
/// nothing repeats the secret that was sent.
pub fn batch_answer(data: &[u8]) {
    let Some((commands, data)) = data.split_first() else {
        return;
    };
    let commands = usize::from(commands.wrapping_sub(b'0')) % bitrix24::MAXIMUM_COMMANDS + 1;
    let Some((http_status, body)) = status_and_body(data) else {
        return;
    };
    let response = Response {
        http_status,
        location: None,
        body,
    };
    let read = fuzzing::batch_answer(response, commands, &SecretString::from(SECRET));
    let shown = format!("{read:?}");
    assert!(!shown.contains(SECRET), "{shown}");
    let results = match read {
        Ok(answer) => {
            assert_eq!(answer.results.len(), commands);
            answer.results
        }
        Err(error) => {
            // It may be sent again as single calls only if no command was executed.
            if error.concerns_the_batch_alone() {
                assert_eq!(error.outcome(), bitrix24::Outcome::NotExecuted, "{error:?}");
            }
            vec![Err(error)]
        }
    };
    for result in &results {
        for reply in respond(result, 1) {
            if let Err(status) = reply {
                check_size(&status);
            }
        }
    }
}
