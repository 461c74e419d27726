//! The table of Bitrix24's documented error codes: what each becomes.
//!
//! Sources: the method pages of the three operations in both generations, the neighbours `imconnector.register`,
//! `imconnector.chat.name.set` and `imopenlines.network.join`, the table of system errors, the pages on limits, batches
//! and OAuth, and codes that client libraries have met.

use crate::api::openlines::v1::ErrorReason as Reason;
use crate::api::openlines::v1::bitrix24_error::DocumentedCode;
use crate::api::openlines::v1::{
    ConnectorMessagesErrorCode as Connector, CrmMessageErrorCode as Crm,
    NetworkMessageErrorCode as Network, SystemErrorCode as System,
};
use bitrix24::Method;

/// One documented code.
#[derive(Clone, Copy, Debug)]
pub struct CodeRow {
    /// The code as documented. Codes are compared without regard to case.
    pub code: &'static str,
    /// The code in the API.
    pub documented: DocumentedCode,
    /// Why a call that gets this code failed.
    pub reason: Reason,
    /// The request field that the code is about, where that is certain.
    pub field: Option<&'static str>,
}

/// The row of `code` when `method` answers it: the method's own rows come before those of the system.
pub fn find(method: Method, code: &str) -> Option<&'static CodeRow> {
    of_method(method)
        .iter()
        .chain(SYSTEM)
        .find(|row| row.code.eq_ignore_ascii_case(code))
}

/// The rows of a method's own codes.
pub fn of_method(method: Method) -> &'static [CodeRow] {
    match method {
        Method::SendConnectorMessages => CONNECTOR,
        Method::AddCrmMessage => CRM,
        Method::AddNetworkMessage => NETWORK,
        Method::ReadScopes => &[],
    }
}

macro_rules! rows {
    ($scope:ident of $enumeration:ident: $($code:literal $value:ident => $reason:ident $(, $field:literal)?;)*) => {
        &[$(CodeRow {
            code: $code,
            documented: DocumentedCode::$scope($enumeration::$value as i32),
            reason: Reason::$reason,
            field: rows!(@field $($field)?),
        }),*]
    };
    (@field) => { None };
    (@field $field:literal) => { Some($field) };
}

/// The codes of `imconnector.send.messages` and its neighbours.
const CONNECTOR: &[CodeRow] = rows! { ConnectorMessagesCode of Connector:
    "WRONG_AUTH_TYPE" WrongAuthType => WrongAuthorizationType;
    "ERROR_ARGUMENT" ErrorArgument => RejectedArgument;
    "NOT_ACTIVE_LINE" NotActiveLine => LineNotActive;
    "IMCONNECTOR_NO_CORRECT_PROVIDER" ImconnectorNoCorrectProvider => ConnectorNotAvailable;
    "IMCONNECTOR_NOT_SPECIFIED_CORRECT_COMMAND" ImconnectorNotSpecifiedCorrectCommand => ConnectorNotAvailable;
    "IMCONNECTOR_COULD_NOT_GET_PROVIDER_OBJECT" ImconnectorCouldNotGetProviderObject => ConnectorNotAvailable;
    "IMCONNECTOR_NOT_SPECIFIED_CORRECT_CONNECTOR" ImconnectorNotSpecifiedCorrectConnector => ConnectorNotAvailable;
    "PROVIDER_UNSUPPORTED_TYPE_INCOMING_MESSAGE" ProviderUnsupportedTypeIncomingMessage => RejectedArgument;
    "IMCONNECTOR_NOT_ALL_THE_REQUIRED_DATA" ImconnectorNotAllTheRequiredData => RejectedArgument;
    "CONNECTOR_PROXY_NO_ADD_USER" ConnectorProxyNoAddUser => ExternalUserNotCreated;
    "CONNECTOR_PROXY_NO_USER_IM" ConnectorProxyNoUserIm => ExternalUserNotCreated;
    "CONNECTOR" Connector => RejectedArgument, "connector_id";
    "LINE" Line => RejectedArgument, "line_id";
    "MESSAGES" Messages => RejectedArgument, "messages";
    "100" Structure => RejectedArgument, "messages";
    "APPLICATION_REGISTRATION_ERROR_POINT" ApplicationRegistrationErrorPoint => ConnectorNotAvailable;
    "APPLICATION_REGISTRATION_ERROR" ApplicationRegistrationError => ConnectorNotAvailable;
    "CONNECTOR_ID_REQUIRED" ConnectorIdRequired => ConnectorNotAvailable;
    "NAME_REQUIRED" NameRequired => ConnectorNotAvailable;
    "ICON_REQUIRED" IconRequired => ConnectorNotAvailable;
    "NO_APPLICATION_ID" NoApplicationId => ConnectorNotAvailable;
    "NO_PLACEMENT_HANDLER" NoPlacementHandler => ConnectorNotAvailable;
    "GENERAL_CONNECTOR_REGISTRATION_ERROR" GeneralConnectorRegistrationError => ConnectorNotAvailable;
    "CHAT_RENAMING_FAILED" ChatRenamingFailed => MessageNotAdded;
};

/// The codes of `imopenlines.crm.message.add`.
const CRM: &[CodeRow] = rows! { CrmMessageCode of Crm:
    "ERROR_ARGUMENT" ErrorArgument => RejectedArgument;
    "ACCESS_DENIED" AccessDenied => PortalAccessDenied;
    "CHAT_NOT_IN_CRM" ChatNotInCrm => ChatNotLinked;
    "CANCELED" Canceled => SenderNotInChat;
    "MESSAGE_ADD_ERROR" MessageAddError => MessageNotAdded;
};

/// The codes of `imopenlines.network.message.add` and `imopenlines.network.join`.
const NETWORK: &[CodeRow] = rows! { NetworkMessageCode of Network:
    "WRONG_AUTH_TYPE" WrongAuthType => WrongAuthorizationType;
    "CODE" Code => RejectedArgument, "line_code";
    "CODE_ERROR" CodeError => RejectedArgument, "line_code";
    "IMBOT_ERROR" ImbotError => PortalModuleMissing;
    "NOT_FOUND" NotFound => LineNotFound;
    "INACTIVE" Inactive => LineNotActive;
    "USER_ID_EMPTY" UserIdEmpty => RejectedArgument, "user_id";
    "USER_MESSAGE_LIMIT" UserMessageLimit => RecipientWeeklyLimit;
    "MESSAGE_EMPTY" MessageEmpty => RejectedArgument, "text";
    "ATTACH_OVERSIZE" AttachOversize => RejectedArgument, "attachment";
    "ATTACH_ERROR" AttachError => RejectedArgument, "attachment";
    "KEYBOARD_ERROR" KeyboardError => RejectedArgument, "keyboard";
    "KEYBOARD_OVERSIZE" KeyboardOversize => RejectedArgument, "keyboard";
    "WRONG_REQUEST" WrongRequest => MessageNotAdded;
};

/// The codes that any method, or the authorization server, may answer.
pub const SYSTEM: &[CodeRow] = rows! { SystemCode of System:
    "INTERNAL_SERVER_ERROR" InternalServerError => OutcomeUnknown;
    "ERROR_UNEXPECTED_ANSWER" ErrorUnexpectedAnswer => OutcomeUnknown;
    "QUERY_LIMIT_EXCEEDED" QueryLimitExceeded => PortalRateLimited;
    "OPERATION_TIME_LIMIT" OperationTimeLimit => OperatingLimit;
    "ERROR_BATCH_METHOD_NOT_ALLOWED" ErrorBatchMethodNotAllowed => Internal;
    "ERROR_BATCH_LENGTH_EXCEEDED" ErrorBatchLengthExceeded => Internal;
    "NO_AUTH_FOUND" NoAuthFound => ReauthorizationRequired;
    "INVALID_REQUEST" InvalidRequest => PortalRequiresHttps;
    "OVERLOAD_LIMIT" OverloadLimit => PortalBlocked;
    "ACCESS_DENIED" AccessDenied => PortalAccessDenied;
    "INVALID_CREDENTIALS" InvalidCredentials => ReauthorizationRequired;
    "ERROR_MANIFEST_IS_NOT_AVAILABLE" ErrorManifestIsNotAvailable => PortalNotOperational;
    "insufficient_scope" InsufficientScope => MissingScope;
    "expired_token" ExpiredToken => ReauthorizationRequired;
    "user_access_error" UserAccessError => PortalAccessDenied;
    "PORTAL_DELETED" PortalDeleted => PortalNotOperational;
    "invalid_token" InvalidToken => ReauthorizationRequired;
    "authorization_error" AuthorizationError => ReauthorizationRequired;
    "APPLICATION_NOT_FOUND" ApplicationNotFound => ReauthorizationRequired;
    "ERROR_OAUTH" ErrorOauth => ReauthorizationRequired;
    "PAYMENT_REQUIRED" PaymentRequired => PortalNotOperational;
    "METHOD_CONFIRM_WAITING" MethodConfirmWaiting => MethodNotConfirmed;
    "METHOD_CONFIRM_DENIED" MethodConfirmDenied => MethodNotConfirmed;
    "verification_needed" VerificationNeeded => PortalNotOperational;
    "WRONG_AUTH_TYPE" WrongAuthType => WrongAuthorizationType;
    "ACCESS_ERROR" AccessError => PortalAccessDenied;
    "ALLOWED_ONLY_INTRANET_USER" AllowedOnlyIntranetUser => PortalAccessDenied;
    "ERROR_METHOD_NOT_FOUND" ErrorMethodNotFound => MethodNotAvailable;
    "ERROR_ARGUMENT" ErrorArgument => RejectedArgument;
    "INVALID_ARG_VALUE" InvalidArgValue => RejectedArgument;
    "ERROR_CORE" ErrorCore => MessageNotAdded;
    "ERROR_NOT_FOUND" ErrorNotFound => PortalObjectNotFound;
    "NOT_FOUND" NotFound => PortalObjectNotFound;
    "" EmptyCode => PortalObjectNotFound;
    "PORTAL_BLOCKED_BY_LICENSE_SCANNER" PortalBlockedByLicenseScanner => PortalNotOperational;
    "wrong_client" WrongClient => ReauthorizationRequired;
    "invalid_client" InvalidClient => ReauthorizationRequired;
    "invalid_grant" InvalidGrant => ReauthorizationRequired;
    "NOT_INSTALLED" NotInstalled => ReauthorizationRequired;
    "INVALID_SCOPE" InvalidScope => ReauthorizationRequired;
    "bad_verification_code" BadVerificationCode => ReauthorizationRequired;
};
