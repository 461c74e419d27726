//! Choices where real portals differ or their behaviour is unknown.

use serde::{Deserialize, Serialize};

/// How the portal behaves where documentation and observation leave a choice. The default is the
/// observed behaviour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    /// The generation of error codes and texts.
    pub error_dialect: ErrorDialect,
    /// The generation of success responses.
    pub answer_generation: AnswerGeneration,
    /// Where the status of a system error comes from.
    pub status_table: StatusTable,
    /// How Bitrix24's ids are written in responses of `imconnector.send.messages`.
    pub ids: IdForm,
    /// How the numbers of `time` are written.
    pub time: TimeForm,
    /// Whether `time` has `operating` and `operating_reset_at`; older portals lack them.
    pub operating: bool,
    /// How `message.date` is written.
    pub date: DateForm,
    /// Whether items have `session`.
    pub session: bool,
    /// The value of `extra` without flags.
    pub extra: ExtraForm,
    /// How `DATA.RESULT` is written.
    pub result: ResultForm,
    /// How `SUCCESS` is written.
    pub success: SuccessForm,
    /// The `result` of `imconnector.send.messages`.
    pub connector_result: ConnectorResult,
    /// The error of `imopenlines.crm.message.add` for a sender outside the chat.
    pub sender_outside_chat: SenderOutsideChat,
    /// The error for an unknown `CRM_ENTITY_TYPE`.
    pub unknown_crm_type: UnknownCrmType,
    /// After how many requests a connection ends, as with a proxy in front of the portal: over
    /// HTTP/1.1 the last response says `Connection: close`; over HTTP/2 `GOAWAY` names the last
    /// request, and what the client has sent after it is dropped. `None`: never. Connections keep
    /// what was set when they began.
    pub connection_requests: Option<u32>,
    /// After how many milliseconds without a request a connection ends. `None`: never.
    pub connection_idle_ms: Option<u64>,
    /// Whether HTTP/2 is offered over TLS.
    pub http2: bool,
    /// Whether a request over plain HTTP is refused with `INVALID_REQUEST`.
    pub https_required: bool,
    /// Which requests share one rate limit.
    pub intensity_key: IntensityKey,
    /// Which method is charged for the operating time of a batch's commands.
    pub batch_charging: BatchCharging,
    /// When references to results are resolved in a command of a batch.
    pub batch_references: BatchReferences,
    /// Methods that are also not allowed in a batch, in lower case.
    pub not_in_batch: Vec<String>,
    /// Lifetime of an access token, in seconds.
    pub access_token_seconds: u32,
    /// What a refresh does to the old pair of tokens.
    pub refresh_rotation: RefreshRotation,
    /// How long a used refresh token still works under strict rotation, in seconds.
    pub refresh_grace_seconds: u64,
    /// The error for an access token that a refresh has replaced.
    pub replaced_token: ReplacedToken,
    /// The separator of the permissions in `auth[scope]` of an event.
    pub event_scope: EventScope,
    /// Whether an access token is accepted in the header `Authorization: Bearer`.
    pub bearer: bool,
    /// How a `name` or `last_name` with digits or more than 25 characters is treated.
    pub invalid_name: InvalidName,
    /// How many elements `MESSAGES` may have. `None`: any number. The real limit is unknown.
    pub messages_limit: Option<usize>,
    /// After how many characters a text is cut and ` (...)` appended. `None`: never. 20,000 is
    /// documented for another method of the messenger.
    pub text_limit: Option<usize>,
    /// What happens to a connector message whose `message.id` was delivered before.
    pub repeated_message: RepeatedMessage,
    /// HTTP status of `CANCELED`, which is not documented.
    pub canceled_status: u16,
    /// When the week of network messages ends.
    pub week: Week,
    /// Whether a network message that could not be added counts against the week.
    pub failed_message_counts: bool,
    /// Largest ATTACH in characters of its JSON. The ATTACH page says 60,000, the method page 30
    /// KB.
    pub attach_limit: usize,
    /// Largest KEYBOARD in bytes of its JSON. Only the old method page names a limit, 30 KB.
    pub keyboard_limit: usize,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            error_dialect: ErrorDialect::default(),
            answer_generation: AnswerGeneration::default(),
            status_table: StatusTable::default(),
            ids: IdForm::default(),
            time: TimeForm::default(),
            operating: true,
            date: DateForm::default(),
            session: true,
            extra: ExtraForm::default(),
            result: ResultForm::default(),
            success: SuccessForm::default(),
            connector_result: ConnectorResult::default(),
            sender_outside_chat: SenderOutsideChat::default(),
            unknown_crm_type: UnknownCrmType::default(),
            connection_requests: None,
            connection_idle_ms: None,
            http2: false,
            https_required: false,
            intensity_key: IntensityKey::default(),
            batch_charging: BatchCharging::default(),
            batch_references: BatchReferences::default(),
            not_in_batch: Vec::new(),
            access_token_seconds: 3600,
            refresh_rotation: RefreshRotation::default(),
            refresh_grace_seconds: 0,
            replaced_token: ReplacedToken::default(),
            event_scope: EventScope::default(),
            bearer: true,
            invalid_name: InvalidName::default(),
            messages_limit: None,
            text_limit: None,
            repeated_message: RepeatedMessage::default(),
            canceled_status: 400,
            week: Week::default(),
            failed_message_counts: false,
            attach_limit: 60_000,
            keyboard_limit: 30 * 1024,
        }
    }
}

macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }
    )+};
}

choices! {
    /// A generation of error codes and texts.
    ErrorDialect {
        /// The current method pages: `ERROR_ARGUMENT` for every argument.
        #[default]
        Current,
        /// The previous method pages: the parameter's name, `100` or `CODE_ERROR` as code.
        Old,
    }

    /// A generation of success responses.
    AnswerGeneration {
        /// The current method pages: envelope, `extra.disable_tracker`, `message.files`.
        #[default]
        Current,
        /// The previous fields in the envelope: `message.disable_crm`, no `files`, no
        /// `disable_tracker`.
        Old,
        /// The previous fields without envelope, as the previous page prints them. Never observed.
        OldBare,
    }

    /// Where the status of a system error comes from.
    StatusTable {
        /// What live portals return; the documented status where none was observed.
        #[default]
        Observed,
        /// The official table of system errors.
        Documented,
    }

    /// How an id is written.
    IdForm {
        /// As a string, as in every documented example.
        #[default]
        Text,
        /// As a number.
        Number,
    }

    /// How `time` is written.
    TimeForm {
        /// `start` as an integer, the rest with fractions, as in the documented example.
        #[default]
        Mixed,
        /// Whole numbers only.
        Integer,
        /// Fractions only.
        Float,
        /// Without `time`.
        Absent,
    }

    /// How `message.date` is written.
    DateForm {
        /// `{}`: a date object of PHP, as in every documented example.
        #[default]
        EmptyObject,
        /// The date that was sent, as unix seconds.
        Unix,
    }

    /// The value of `extra` without flags.
    ExtraForm {
        /// The field is missing.
        #[default]
        Missing,
        /// `[]`: how PHP writes an empty map.
        EmptyArray,
        /// Never any `extra`, even with flags set.
        Never,
    }

    /// How `DATA.RESULT` is written.
    ResultForm {
        /// As an array.
        #[default]
        Array,
        /// As an object with the keys `"0"`, `"1"`….
        Object,
    }

    /// How `SUCCESS` is written.
    SuccessForm {
        /// As a boolean.
        #[default]
        Bool,
        /// As `"true"` or `"false"`.
        TrueFalse,
        /// As `"Y"` or `"N"`.
        YesNo,
    }

    /// The `result` of `imconnector.send.messages`.
    ConnectorResult {
        /// The documented object.
        #[default]
        Object,
        /// `true` alone: a form that one SDK's test accepts.
        Bool,
    }

    /// The error for a sender outside the chat.
    SenderOutsideChat {
        /// `CANCELED`.
        #[default]
        Canceled,
        /// `MESSAGE_ADD_ERROR`, which the newest table lists instead.
        MessageAddError,
    }

    /// The error for an unknown `CRM_ENTITY_TYPE`.
    UnknownCrmType {
        /// `CHAT_NOT_IN_CRM`.
        #[default]
        ChatNotInCrm,
        /// `ACCESS_DENIED`.
        AccessDenied,
    }

    /// Which requests share one rate limit.
    IntensityKey {
        /// All requests to the portal.
        #[default]
        Portal,
        /// Those from one address.
        PortalAndAddress,
        /// Those with one webhook or access token from one address.
        PortalAddressAndCaller,
    }

    /// Which method is charged for the operating time of a batch's commands.
    BatchCharging {
        /// Each command to its own method, as documented.
        #[default]
        Commands,
        /// Everything to the method `batch`, as measured on a self-hosted portal.
        Batch,
    }

    /// When references to results are resolved in a command of a batch.
    BatchReferences {
        /// In the decoded parameters: percent-encoded references count too.
        #[default]
        AfterDecoding,
        /// In the encoded query: only literal references count.
        BeforeDecoding,
    }

    /// What a refresh does to the old pair of tokens.
    RefreshRotation {
        /// Both stop working.
        #[default]
        Strict,
        /// Both work until they expire.
        Lenient,
    }

    /// The error for an access token that a refresh has replaced.
    ReplacedToken {
        /// `expired_token`.
        #[default]
        Expired,
        /// `invalid_token`.
        Invalid,
    }

    /// The separator of the permissions in an event.
    EventScope {
        /// A comma, as in most samples.
        #[default]
        Comma,
        /// A space, as the pages say.
        Space,
        /// A comma and a space, as in other samples.
        CommaSpace,
    }

    /// How an invalid `name` or `last_name` is treated.
    InvalidName {
        /// The message is delivered. The response does not show whether the name is cut.
        #[default]
        Accept,
        /// Only this message fails.
        Refuse,
    }

    /// What happens to a connector message whose `message.id` was delivered before.
    RepeatedMessage {
        /// It is delivered again.
        #[default]
        Deliver,
        /// It is accepted and dropped.
        Drop,
    }

    /// When the week of network messages ends.
    Week {
        /// Seven days after the message.
        #[default]
        Rolling,
        /// On the portal's next Monday.
        Calendar,
    }
}

impl EventScope {
    pub(crate) fn separator(self) -> &'static str {
        match self {
            Self::Comma => ",",
            Self::Space => " ",
            Self::CommaSpace => ", ",
        }
    }
}
