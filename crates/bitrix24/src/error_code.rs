//! The error codes that Bitrix24 documents, and when each comes.
//!
//! Sources: the method pages of the three operations in both generations, their neighbours
//! `imconnector.register`, `imconnector.chat.name.set` and `imopenlines.network.join`, the table of
//! system errors, the pages on limits, batches and OAuth, and codes that client libraries have met.

/// When a code comes, as far as it is documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Not documented, or while messages are processed one by one.
    Unknown,
    /// The portal failed during the work.
    Failure,
    /// Before every method: about the portal, its licence, the credential or its user.
    Portal,
    /// Like [`Stage::Portal`], and documented with a 5xx status.
    PortalWith5xx,
    /// Before the method begins: about the method.
    Method,
    /// Before the message is added, or instead of it.
    Arguments,
}

macro_rules! codes {
    ($($variant:ident $text:literal $stage:ident;)*) => {
        /// A documented error code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum ErrorCode {
            $(#[doc = concat!("`", $text, "`")] $variant,)*
        }

        impl ErrorCode {
            /// Every documented code.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The code as documented.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            pub(crate) fn stage(self) -> Stage {
                match self { $(Self::$variant => Stage::$stage,)* }
            }
        }
    };
}

impl ErrorCode {
    /// The documented code that was received. Bitrix24 is not consistent about upper and lower
    /// case.
    pub fn parse(received: &str) -> Option<Self> {
        let mut codes = Self::ALL.iter().copied();
        codes.find(|code| code.as_str().eq_ignore_ascii_case(received))
    }
}

// One row for each code: `.ci/documented_codes.py` compares them with the reference.
codes! {
    // Any method, and the authorization server.
    InternalServerError "INTERNAL_SERVER_ERROR" Failure;
    ErrorUnexpectedAnswer "ERROR_UNEXPECTED_ANSWER" Failure;
    QueryLimitExceeded "QUERY_LIMIT_EXCEEDED" PortalWith5xx;
    OperationTimeLimit "OPERATION_TIME_LIMIT" Method;
    ErrorBatchMethodNotAllowed "ERROR_BATCH_METHOD_NOT_ALLOWED" Method;
    ErrorBatchLengthExceeded "ERROR_BATCH_LENGTH_EXCEEDED" Method;
    NoAuthFound "NO_AUTH_FOUND" Portal;
    InvalidRequest "INVALID_REQUEST" Portal;
    OverloadLimit "OVERLOAD_LIMIT" PortalWith5xx;
    AccessDenied "ACCESS_DENIED" Portal;
    InvalidCredentials "INVALID_CREDENTIALS" Portal;
    ErrorManifestIsNotAvailable "ERROR_MANIFEST_IS_NOT_AVAILABLE" Portal;
    InsufficientScope "insufficient_scope" Method;
    ExpiredToken "expired_token" Portal;
    UserAccessError "user_access_error" Portal;
    PortalDeleted "PORTAL_DELETED" PortalWith5xx;
    InvalidToken "invalid_token" Portal;
    AuthorizationError "authorization_error" Portal;
    ApplicationNotFound "APPLICATION_NOT_FOUND" Portal;
    ErrorOauth "ERROR_OAUTH" Portal;
    PaymentRequired "PAYMENT_REQUIRED" Portal;
    MethodConfirmWaiting "METHOD_CONFIRM_WAITING" Method;
    MethodConfirmDenied "METHOD_CONFIRM_DENIED" Method;
    VerificationNeeded "verification_needed" Portal;
    WrongAuthType "WRONG_AUTH_TYPE" Method;
    AccessError "ACCESS_ERROR" Portal;
    AllowedOnlyIntranetUser "ALLOWED_ONLY_INTRANET_USER" Portal;
    ErrorMethodNotFound "ERROR_METHOD_NOT_FOUND" Method;
    ErrorArgument "ERROR_ARGUMENT" Arguments;
    InvalidArgValue "INVALID_ARG_VALUE" Arguments;
    ErrorCore "ERROR_CORE" Unknown;
    ErrorNotFound "ERROR_NOT_FOUND" Unknown;
    NotFound "NOT_FOUND" Arguments;
    EmptyCode "" Unknown;
    PortalBlockedByLicenseScanner "PORTAL_BLOCKED_BY_LICENSE_SCANNER" Portal;
    WrongClient "wrong_client" Portal;
    InvalidClient "invalid_client" Unknown;
    InvalidGrant "invalid_grant" Unknown;
    NotInstalled "NOT_INSTALLED" Unknown;
    InvalidScope "INVALID_SCOPE" Unknown;
    BadVerificationCode "bad_verification_code" Unknown;

    // `imconnector.send.messages` and its neighbours.
    NotActiveLine "NOT_ACTIVE_LINE" Arguments;
    ImconnectorNoCorrectProvider "IMCONNECTOR_NO_CORRECT_PROVIDER" Arguments;
    ImconnectorNotSpecifiedCorrectCommand "IMCONNECTOR_NOT_SPECIFIED_CORRECT_COMMAND" Arguments;
    ImconnectorCouldNotGetProviderObject "IMCONNECTOR_COULD_NOT_GET_PROVIDER_OBJECT" Arguments;
    ImconnectorNotSpecifiedCorrectConnector "IMCONNECTOR_NOT_SPECIFIED_CORRECT_CONNECTOR" Arguments;
    ProviderUnsupportedTypeIncomingMessage "PROVIDER_UNSUPPORTED_TYPE_INCOMING_MESSAGE" Unknown;
    ImconnectorNotAllTheRequiredData "IMCONNECTOR_NOT_ALL_THE_REQUIRED_DATA" Unknown;
    ConnectorProxyNoAddUser "CONNECTOR_PROXY_NO_ADD_USER" Unknown;
    ConnectorProxyNoUserIm "CONNECTOR_PROXY_NO_USER_IM" Unknown;
    Connector "CONNECTOR" Arguments;
    Line "LINE" Arguments;
    Messages "MESSAGES" Arguments;
    Structure "100" Arguments;
    ApplicationRegistrationErrorPoint "APPLICATION_REGISTRATION_ERROR_POINT" Unknown;
    ApplicationRegistrationError "APPLICATION_REGISTRATION_ERROR" Unknown;
    ConnectorIdRequired "CONNECTOR_ID_REQUIRED" Unknown;
    NameRequired "NAME_REQUIRED" Unknown;
    IconRequired "ICON_REQUIRED" Unknown;
    NoApplicationId "NO_APPLICATION_ID" Unknown;
    NoPlacementHandler "NO_PLACEMENT_HANDLER" Unknown;
    GeneralConnectorRegistrationError "GENERAL_CONNECTOR_REGISTRATION_ERROR" Unknown;
    ChatRenamingFailed "CHAT_RENAMING_FAILED" Unknown;

    // `imopenlines.crm.message.add`.
    ChatNotInCrm "CHAT_NOT_IN_CRM" Arguments;
    Canceled "CANCELED" Arguments;
    MessageAddError "MESSAGE_ADD_ERROR" Arguments;

    // `imopenlines.network.message.add` and `imopenlines.network.join`.
    Code "CODE" Arguments;
    CodeError "CODE_ERROR" Arguments;
    ImbotError "IMBOT_ERROR" Arguments;
    Inactive "INACTIVE" Arguments;
    UserIdEmpty "USER_ID_EMPTY" Arguments;
    UserMessageLimit "USER_MESSAGE_LIMIT" Arguments;
    MessageEmpty "MESSAGE_EMPTY" Arguments;
    AttachOversize "ATTACH_OVERSIZE" Arguments;
    AttachError "ATTACH_ERROR" Arguments;
    KeyboardError "KEYBOARD_ERROR" Arguments;
    KeyboardOversize "KEYBOARD_OVERSIZE" Arguments;
    WrongRequest "WRONG_REQUEST" Arguments;
}
