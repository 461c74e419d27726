//! What Bitrix24's documented error codes mean to callers. The codes themselves: [`ErrorCode`].

use bitrix24::{ErrorCode, Method};

use crate::api::openlines::v1::ErrorReason as Reason;
use crate::api::openlines::v1::bitrix24_error::DocumentedCode;
use crate::api::openlines::v1::{
    ConnectorMessagesErrorCode as ConnectorCode, CrmMessageErrorCode as CrmCode,
    NetworkMessageErrorCode as NetworkCode, SystemErrorCode as SystemCode,
};

/// Whose documentation has a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// `imconnector.send.messages` and its neighbours.
    Connector,
    /// `imopenlines.crm.message.add`
    Crm,
    /// `imopenlines.network.message.add` and `imopenlines.network.join`
    Network,
    /// Any method, and the authorization server.
    System,
}

impl Scope {
    fn of(method: Method) -> Self {
        match method {
            Method::SendConnectorMessages => Self::Connector,
            Method::AddCrmMessage => Self::Crm,
            Method::AddNetworkMessage => Self::Network,
            Method::ReadScopes => Self::System,
        }
    }
}

/// What a code means in one scope.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meaning {
    scope: Scope,
    /// The code in the API.
    pub(crate) documented: DocumentedCode,
    /// Why a call that gets this code failed.
    pub(crate) reason: Reason,
    /// The request field that the code is about, if that is certain.
    pub(crate) field: Option<&'static str>,
}

/// The meaning of `code` in a response to `method`: the method's own comes before that of the
/// system.
pub(super) fn find(method: Method, code: ErrorCode) -> Option<&'static Meaning> {
    in_scope(Scope::of(method), code).or_else(|| in_scope(Scope::System, code))
}

/// The meaning of `code` in a scope that documents it.
pub(crate) fn in_scope(scope: Scope, code: ErrorCode) -> Option<&'static Meaning> {
    meanings(code).iter().find(|meaning| meaning.scope == scope)
}

/// Rows of the form `Code: Scope => Reason "field", other Scope => Reason;`.
macro_rules! meanings {
    ($code:ident; $($variant:ident: $($scope:ident => $reason:ident $($field:literal)?),+;)*) => {
        match $code {
            $(ErrorCode::$variant => const { &[$(Meaning {
                scope: Scope::$scope,
                documented: meanings!(@api $scope $variant),
                reason: Reason::$reason,
                field: meanings!(@field $($field)?),
            }),+] },)*
        }
    };
    (@api Connector $variant:ident) => {
        DocumentedCode::ConnectorMessagesCode(ConnectorCode::$variant as i32)
    };
    (@api Crm $variant:ident) => { DocumentedCode::CrmMessageCode(CrmCode::$variant as i32) };
    (@api Network $variant:ident) => {
        DocumentedCode::NetworkMessageCode(NetworkCode::$variant as i32)
    };
    (@api System $variant:ident) => { DocumentedCode::SystemCode(SystemCode::$variant as i32) };
    (@field) => { None };
    (@field $field:literal) => { Some($field) };
}

fn meanings(code: ErrorCode) -> &'static [Meaning] {
    meanings! { code;
        InternalServerError: System => OutcomeUnknown;
        ErrorUnexpectedAnswer: System => OutcomeUnknown;
        QueryLimitExceeded: System => PortalRateLimited;
        OperationTimeLimit: System => OperatingLimit;
        ErrorBatchMethodNotAllowed: System => Internal;
        ErrorBatchLengthExceeded: System => Internal;
        NoAuthFound: System => ReauthorizationRequired;
        InvalidRequest: System => PortalRequiresHttps;
        OverloadLimit: System => PortalBlocked;
        AccessDenied: Crm => PortalAccessDenied, System => PortalAccessDenied;
        InvalidCredentials: System => ReauthorizationRequired;
        ErrorManifestIsNotAvailable: System => PortalNotOperational;
        InsufficientScope: System => MissingScope;
        ExpiredToken: System => ReauthorizationRequired;
        UserAccessError: System => PortalAccessDenied;
        PortalDeleted: System => PortalNotOperational;
        InvalidToken: System => ReauthorizationRequired;
        AuthorizationError: System => ReauthorizationRequired;
        ApplicationNotFound: System => ReauthorizationRequired;
        ErrorOauth: System => ReauthorizationRequired;
        PaymentRequired: System => PortalNotOperational;
        MethodConfirmWaiting: System => MethodNotConfirmed;
        MethodConfirmDenied: System => MethodNotConfirmed;
        VerificationNeeded: System => PortalNotOperational;
        WrongAuthType: Connector => WrongAuthorizationType, Network => WrongAuthorizationType,
            System => WrongAuthorizationType;
        AccessError: System => PortalAccessDenied;
        AllowedOnlyIntranetUser: System => PortalAccessDenied;
        ErrorMethodNotFound: System => MethodNotAvailable;
        ErrorArgument: Connector => RejectedArgument, Crm => RejectedArgument,
            System => RejectedArgument;
        InvalidArgValue: System => RejectedArgument;
        ErrorCore: System => MessageNotAdded;
        ErrorNotFound: System => PortalObjectNotFound;
        NotFound: Network => LineNotFound, System => PortalObjectNotFound;
        EmptyCode: System => PortalObjectNotFound;
        PortalBlockedByLicenseScanner: System => PortalNotOperational;
        WrongClient: System => ReauthorizationRequired;
        InvalidClient: System => ReauthorizationRequired;
        InvalidGrant: System => ReauthorizationRequired;
        NotInstalled: System => ReauthorizationRequired;
        InvalidScope: System => ReauthorizationRequired;
        BadVerificationCode: System => ReauthorizationRequired;

        NotActiveLine: Connector => LineNotActive;
        ImconnectorNoCorrectProvider: Connector => ConnectorNotAvailable;
        ImconnectorNotSpecifiedCorrectCommand: Connector => ConnectorNotAvailable;
        ImconnectorCouldNotGetProviderObject: Connector => ConnectorNotAvailable;
        ImconnectorNotSpecifiedCorrectConnector: Connector => ConnectorNotAvailable;
        ProviderUnsupportedTypeIncomingMessage: Connector => RejectedArgument;
        ImconnectorNotAllTheRequiredData: Connector => RejectedArgument;
        ConnectorProxyNoAddUser: Connector => ExternalUserNotCreated;
        ConnectorProxyNoUserIm: Connector => ExternalUserNotCreated;
        Connector: Connector => RejectedArgument "connector_id";
        Line: Connector => RejectedArgument "line_id";
        Messages: Connector => RejectedArgument "messages";
        Structure: Connector => RejectedArgument "messages";
        ApplicationRegistrationErrorPoint: Connector => ConnectorNotAvailable;
        ApplicationRegistrationError: Connector => ConnectorNotAvailable;
        ConnectorIdRequired: Connector => ConnectorNotAvailable;
        NameRequired: Connector => ConnectorNotAvailable;
        IconRequired: Connector => ConnectorNotAvailable;
        NoApplicationId: Connector => ConnectorNotAvailable;
        NoPlacementHandler: Connector => ConnectorNotAvailable;
        GeneralConnectorRegistrationError: Connector => ConnectorNotAvailable;
        ChatRenamingFailed: Connector => MessageNotAdded;

        ChatNotInCrm: Crm => ChatNotLinked;
        Canceled: Crm => SenderNotInChat;
        MessageAddError: Crm => MessageNotAdded;

        Code: Network => RejectedArgument "line_code";
        CodeError: Network => RejectedArgument "line_code";
        ImbotError: Network => PortalModuleMissing;
        Inactive: Network => LineNotActive;
        UserIdEmpty: Network => RejectedArgument "user_id";
        UserMessageLimit: Network => RecipientWeeklyLimit;
        MessageEmpty: Network => RejectedArgument "text";
        AttachOversize: Network => RejectedArgument "attachment";
        AttachError: Network => RejectedArgument "attachment";
        KeyboardError: Network => RejectedArgument "keyboard";
        KeyboardOversize: Network => RejectedArgument "keyboard";
        WrongRequest: Network => MessageNotAdded;
    }
}
