//! The errors of the authorization server.

/// An error of the authorization server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OAuthError {
    /// HTTP status. An unknown client gets 200.
    pub status: u16,
    /// Value of `error`.
    pub code: &'static str,
    /// Value of `error_description`; most errors have none.
    pub description: Option<&'static str>,
}

macro_rules! oauth_errors {
    ($($name:ident: $status:literal $code:literal $description:expr;)+) => {
        impl OAuthError {
            $(
                #[doc = concat!("`", $code, "` with status ", $status, ".")]
                pub const $name: Self = Self {
                    status: $status,
                    code: $code,
                    description: $description,
                };
            )+

            /// Every error of the authorization server.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];
        }
    };
}

oauth_errors! {
    WRONG_CLIENT: 200 "wrong_client" None;
    INVALID_CLIENT: 400 "invalid_client" None;
    INVALID_GRANT: 400 "invalid_grant" None;
    NO_GRANT_TYPE: 400 "invalid_request" Some("No \"grant_type\" parameter found");
    NO_CLIENT_ID: 400 "invalid_request" Some("No \"client_id\" parameter found");
    NO_CLIENT_SECRET: 400 "invalid_request" Some("No \"client_secret\" parameter found");
    NO_CODE: 400 "invalid_request" Some("No \"code\" parameter found");
    NO_REFRESH_TOKEN: 400 "invalid_request" Some("No \"refresh_token\" parameter found");
    NOT_INSTALLED: 401 "NOT_INSTALLED" Some("Application not installed");
    INVALID_SCOPE: 403 "INVALID_SCOPE" Some("Given scope exceeds permissions associated with given grant");
    INSUFFICIENT_SCOPE: 403 "insufficient_scope" None;
    PAYMENT_REQUIRED: 401 "PAYMENT_REQUIRED" Some("Payment required");
    BAD_VERIFICATION_CODE: 400 "bad_verification_code" None;
}

impl OAuthError {
    /// The error for a missing parameter.
    pub(crate) fn without(parameter: &str) -> Self {
        match parameter {
            "client_id" => Self::NO_CLIENT_ID,
            "client_secret" => Self::NO_CLIENT_SECRET,
            "code" => Self::NO_CODE,
            "refresh_token" => Self::NO_REFRESH_TOKEN,
            _ => Self::NO_GRANT_TYPE,
        }
    }

    /// The first error with this code; codes are compared without regard to case.
    pub fn by_code(code: &str) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|error| error.code.eq_ignore_ascii_case(code))
    }
}
