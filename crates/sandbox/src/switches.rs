//! The choices of the simulator where real portals differ, or nobody knows.

use serde::{Deserialize, Serialize};

/// How the portal behaves where documentation and observation leave a choice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    /// Which generation of error codes and texts is answered.
    pub error_dialect: ErrorDialect,
    /// Which generation of success answers is given.
    pub answer_generation: AnswerGeneration,
    /// Where the status of a system error comes from.
    pub status_table: StatusTable,
    /// How ids that Bitrix24 made are written in answers of `imconnector.send.messages`.
    pub ids: IdForm,
    /// How the numbers of `time` are written.
    pub time: TimeForm,
    /// Whether `time` tells `operating` and `operating_reset_at`; older portals do not.
    pub operating: bool,
    /// How `message.date` is written.
    pub date: DateForm,
    /// Whether items carry `session`.
    pub session: bool,
    /// What stands in `extra` when there is nothing to say.
    pub extra: ExtraForm,
    /// How `DATA.RESULT` is written.
    pub result: ResultForm,
    /// How `SUCCESS` is written.
    pub success: SuccessForm,
    /// What `result` of `imconnector.send.messages` is.
    pub connector_result: ConnectorResult,
    /// What a sender outside the chat gets from `imopenlines.crm.message.add`.
    pub sender_outside_chat: SenderOutsideChat,
    /// What an unknown `CRM_ENTITY_TYPE` gets.
    pub unknown_crm_type: UnknownCrmType,
    /// Whether a request over plain HTTP is refused with `INVALID_REQUEST`.
    pub https_required: bool,
    /// Whose requests are counted together by the limit of intensity.
    pub intensity_key: IntensityKey,
    /// To whom the operating time of a batch's commands is charged.
    pub batch_charging: BatchCharging,
    /// When references to results are filled in a command of a batch.
    pub batch_references: BatchReferences,
    /// Methods that are not allowed in a batch, in lower case, besides those that never are.
    pub not_in_batch: Vec<String>,
    /// How long an access token lives, in seconds.
    pub access_token_seconds: u32,
    /// What a refresh does to the pair of tokens that it used.
    pub refresh_rotation: RefreshRotation,
    /// How long a used refresh token works again under strict rotation, in seconds.
    pub refresh_grace_seconds: u64,
    /// What an access token gets that a refresh has replaced.
    pub replaced_token: ReplacedToken,
    /// What stands between the permissions in `auth[scope]` of an event.
    pub event_scope: EventScope,
    /// Whether an access token is accepted in the header `Authorization: Bearer`.
    pub bearer: bool,
    /// What a `name` or `last_name` gets that has digits or more than 25 characters.
    pub invalid_name: InvalidName,
    /// How many elements `MESSAGES` may have. `None`: any number; the limit is not known.
    pub messages_limit: Option<usize>,
    /// After how many characters a text is cut, with ` (...)` behind it. `None`: never; 20,000 is stated for
    /// another method of the messenger.
    pub text_limit: Option<usize>,
    /// What happens to a connector message whose `message.id` was delivered before.
    pub repeated_message: RepeatedMessage,
    /// HTTP status of `CANCELED`, which no page names.
    pub canceled_status: u16,
    /// When the week of network messages is over.
    pub week: Week,
    /// Whether a network message that could not be added counts for the week.
    pub failed_message_counts: bool,
    /// Largest ATTACH in characters of its JSON text. The ATTACH page says 60,000, the method page 30 KB.
    pub attach_limit: usize,
    /// Largest KEYBOARD in bytes of its JSON text. Only the old method page names a limit, 30 KB.
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

    /// A generation of success answers.
    AnswerGeneration {
        /// The current method pages: envelope, `extra.disable_tracker`, `message.files`.
        #[default]
        Current,
        /// The previous fields in the envelope: `message.disable_crm`, no `files`, no `disable_tracker`.
        Old,
        /// The previous fields without envelope, as the previous page prints them. No real portal does this.
        OldBare,
    }

    /// Where the status of a system error comes from.
    StatusTable {
        /// What live portals were seen to answer, the documentation where nothing was seen.
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
        /// No `time` at all.
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

    /// What stands in `extra` when there is nothing to say.
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

    /// What `result` of `imconnector.send.messages` is.
    ConnectorResult {
        /// The documented object.
        #[default]
        Object,
        /// `true` alone: a form that one SDK's test accepts.
        Bool,
    }

    /// What a sender outside the chat gets.
    SenderOutsideChat {
        /// `CANCELED`.
        #[default]
        Canceled,
        /// `MESSAGE_ADD_ERROR`, which the newest table lists in its place.
        MessageAddError,
    }

    /// What an unknown `CRM_ENTITY_TYPE` gets.
    UnknownCrmType {
        /// `CHAT_NOT_IN_CRM`.
        #[default]
        ChatNotInCrm,
        /// `ACCESS_DENIED`.
        AccessDenied,
    }

    /// Whose requests are counted together.
    IntensityKey {
        /// All of the portal.
        #[default]
        Portal,
        /// Those of one address.
        PortalAndAddress,
        /// Those of one webhook or access token from one address.
        PortalAddressAndCaller,
    }

    /// To whom the operating time of a batch's commands is charged.
    BatchCharging {
        /// Each command to its own method, as documented.
        #[default]
        Commands,
        /// Everything to the method `batch`, as measured on a self-hosted portal.
        Batch,
    }

    /// When references to results are filled in a command of a batch.
    BatchReferences {
        /// In the decoded parameters: a percent-encoded reference counts as well.
        #[default]
        AfterDecoding,
        /// In the query as it is written: only a literal reference counts.
        BeforeDecoding,
    }

    /// What a refresh does to the pair of tokens that it used.
    RefreshRotation {
        /// Both stop working.
        #[default]
        Strict,
        /// Both work until they expire.
        Lenient,
    }

    /// What an access token gets that a refresh has replaced.
    ReplacedToken {
        /// `expired_token`.
        #[default]
        Expired,
        /// `invalid_token`.
        Invalid,
    }

    /// What stands between the permissions in an event.
    EventScope {
        /// A comma, as in most samples.
        #[default]
        Comma,
        /// A space, as the pages say.
        Space,
        /// A comma and a space, as in other samples.
        CommaSpace,
    }

    /// What an invalid `name` or `last_name` gets.
    InvalidName {
        /// The message is delivered. Whether the name is cut does not show in an answer.
        #[default]
        Accept,
        /// The message fails by itself.
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

    /// When the week of network messages is over.
    Week {
        /// Seven days after the message.
        #[default]
        Rolling,
        /// With the next Monday of the portal.
        Calendar,
    }
}

impl EventScope {
    /// The separator itself.
    pub(super) fn separator(self) -> &'static str {
        match self {
            Self::Comma => ",",
            Self::Space => " ",
            Self::CommaSpace => ", ",
        }
    }
}
